// Whatever was thrown, as what a person can read: {id, what, why, fix, output}.

/**
 * `what` is the sentence, and `id` the id of a traceback, for an error that has none of its own.
 *
 * @param {any} error
 * @param {string} what
 * @param {string} [id]
 * @returns {Problem}
 */
export function readable(error, what, id = "plugin.call-failed") {
  if (error && error.what) {
    const { id, what, why, fix, output } = error;
    return isTraceback(why) ? { id, what, why: "", fix, output: why } : { id, what, why, fix, output };
  }
  const text = String((error && error.message) || error || "No reason was given.").trim();
  if (isTraceback(text)) return { id, what, why: text.slice(text.lastIndexOf("\n") + 1).trim(), fix: "", output: text };
  return { id: "", what, why: text, fix: "", output: "" };
}

/** @param {string | undefined} text */
function isTraceback(text) {
  return /^Traceback \(/m.test(text || "");
}
