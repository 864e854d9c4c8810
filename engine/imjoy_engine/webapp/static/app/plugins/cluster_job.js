// Where on a cluster a plugin runs, or what it waits for, in words.

const MINUTE_MILLISECONDS = 60_000;

/**
 * Return a length of time in at most two units; empty for less than a minute.
 *
 * @param {number} milliseconds
 */
function duration(milliseconds) {
  const minutes = Math.floor(milliseconds / MINUTE_MILLISECONDS);
  if (minutes < 1) return "";
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
}

/** @param {number} seconds */
const clock = (seconds) =>
  new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });

/**
 * Return the line for a `place`, of which the protocol tells; `since` is when the wait began, in seconds.
 *
 * @param {JobStatus | null} place
 * @param {number} since
 * @param {number} now in milliseconds
 */
export function jobText(place, since, now) {
  if (!place) return "";
  if (!place.node) {
    const waited = duration(now - since * 1000);
    const begins = place.starts ? ` (starts about ${clock(place.starts)})` : "";
    return `Waiting on ${place.cluster}: ${place.why || place.state}${waited && `, ${waited}`}${begins}`;
  }
  const left = place.ends ? duration(place.ends * 1000 - now) || "less than a minute" : "";
  return `On ${place.node}${place.gpus && `, GPU ${place.gpus}`}${left && `, ${left} left`}`;
}
