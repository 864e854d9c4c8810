// What a plugin asks of the cluster that it runs on, and what a person asks for in its place.

/** @typedef {"cpus" | "gpus" | "memory" | "time"} Wish */
/** @typedef {Partial<Record<Wish, string | number>>} Wishes as `resources` of a plugin's config */
/** @typedef {{name: string, default: Partial<Record<Wish, number>>, maximum: Partial<Record<Wish, number>>}} Cluster */
/** @typedef {[string, number][]} Units the largest first */

/** @type {Record<Wish, string>} */
const LABELS = { cpus: "CPUs", gpus: "GPUs", memory: "Memory", time: "Time" };
const WISHES = Object.keys(LABELS);
/** @type {Units} */
const BYTES = ["T", "G", "M", "k"]
  .flatMap(
    (letter, index) =>
      /** @type {Units} */ ([
        [`${letter.toUpperCase()}iB`, 1024 ** (4 - index)],
        [`${letter}B`, 1000 ** (4 - index)],
      ]),
  )
  .concat([["B", 1]]);
/** @type {Units} */
const SECONDS = [
  ["d", 86400],
  ["h", 3600],
  ["min", 60],
  ["s", 1],
];

/**
 * Return an amount in the largest unit of which it is a multiple; empty for none.
 *
 * @param {number | undefined} amount
 * @param {Units} units
 */
function spelled(amount, units) {
  const [unit, size] = units.find(([, size]) => amount && amount % size === 0) || ["", 1];
  return amount ? `${amount / size} ${unit}` : "";
}

/** @param {Partial<Record<Wish, number>>} amounts @returns {Wishes} */
const inWords = ({ cpus, gpus, memory, time }) => ({
  cpus,
  gpus,
  memory: spelled(memory, BYTES),
  time: spelled(time, SECONDS),
});

/**
 * Whether a plugin's config, of which a person chose `tag`, keeps it on the engine's own machine.
 *
 * @param {{where?: any}} config
 * @param {string} tag
 */
export const staysOnEngine = ({ where }, tag) => (typeof where === "object" ? where?.[tag] : where) === "engine";

/**
 * Return what a plugin asks for by its config, on top of what the cluster gives one that does not say.
 *
 * @param {{resources?: any, env?: any}} config
 * @param {string} tag
 * @param {Cluster} cluster
 * @returns {Wishes}
 */
export function wishesOf({ resources, env }, tag, cluster) {
  const isForAll = Object.keys(resources || {}).every((name) => WISHES.includes(name));
  const gpu = [env].flat().find((entry) => entry?.type === "gputil");
  /** @type {any} */
  const wishes = {
    ...inWords(cluster.default),
    ...(gpu && { gpus: (gpu.options ?? gpu).limit ?? 1 }),
    ...(isForAll ? resources : resources[tag]),
  };
  return Object.fromEntries(Object.keys(cluster.default).map((name) => [name, wishes[name]]));
}

/**
 * Return, of what a person wants, what the plugin does not ask for by itself; null for nothing.
 *
 * @param {Wishes} wanted
 * @param {Wishes} own
 * @returns {Wishes | null}
 */
export function changes(wanted, own) {
  const changed = Object.entries(wanted)
    .map(([name, value]) => [name, typeof value === "string" ? value.trim() : value])
    .filter(([name, value]) => value !== "" && value !== own[/** @type {Wish} */ (name)]);
  return changed.length ? Object.fromEntries(changed) : null;
}

/** @param {string | number | undefined} count @param {string} noun */
const counted = (count, noun) => (count ? `${count} ${noun}${count === 1 ? "" : "s"}` : "");

/** @param {Wishes} wishes @param {Cluster} cluster */
export function wishesText({ cpus, gpus, memory, time }, cluster) {
  const words = [counted(cpus, "CPU"), counted(gpus, "GPU"), memory, time].filter(Boolean);
  return `Asks ${cluster.name} for ${words.join(", ") || "what there is"}`;
}

/**
 * Return the fields of the form in which a person changes them, as `parseFields` takes them.
 *
 * @param {Wishes} wishes
 * @param {Cluster} cluster
 */
export function wishFields(wishes, cluster) {
  const most = inWords(cluster.maximum);
  return Object.entries(wishes).map(([id, value]) => {
    const wish = /** @type {Wish} */ (id);
    const limit = most[wish] === undefined || most[wish] === "" ? "" : `At most ${most[wish]}.`;
    const field = { id, label: LABELS[wish], value };
    if (wish === "cpus" || wish === "gpus") return { ...field, type: "integer", min: 0, max: most[wish], help: limit };
    return { ...field, help: `For example ${wish === "memory" ? "8 GB" : "2 h"}. ${limit}`.trim() };
  });
}
