// What a plugin asks of the cluster that it runs on, and what a person asks for in its place.

/** @typedef {[string, number][]} Units the largest first */

/** @type {Record<Resource, string>} */
const LABELS = { cpus: "CPUs", gpus: "GPUs", memory: "Memory", time: "Time" };
const NAMES = Object.keys(LABELS);
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
function inLargestUnit(amount, units) {
  const [unit, size] = units.find(([, size]) => amount && amount % size === 0) || ["", 1];
  return amount ? `${amount / size} ${unit}` : "";
}

/** @param {Partial<Record<Resource, number>>} amounts @returns {Resources} */
const withUnits = ({ cpus, gpus, memory, time }) => ({
  cpus,
  gpus,
  memory: inLargestUnit(memory, BYTES),
  time: inLargestUnit(time, SECONDS),
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
 * @returns {Resources}
 */
export function requestedResources({ resources, env }, tag, cluster) {
  const isForAll = Object.keys(resources || {}).every((name) => NAMES.includes(name));
  const gpu = [env].flat().find((entry) => entry?.type === "gputil");
  /** @type {any} */
  const requested = {
    ...withUnits(cluster.default),
    ...(gpu && { gpus: (gpu.options ?? gpu).limit ?? 1 }),
    ...(isForAll ? resources : resources[tag]),
  };
  return Object.fromEntries(Object.keys(cluster.default).map((name) => [name, requested[name]]));
}

/**
 * Return, of what a person wants, what the plugin does not request by itself; null for nothing.
 *
 * @param {Resources} wanted
 * @param {Resources} requested by the plugin
 * @returns {Resources | null}
 */
export function changedResources(wanted, requested) {
  const changed = Object.entries(wanted)
    .map(([name, value]) => [name, typeof value === "string" ? value.trim() : value])
    .filter(([name, value]) => value !== "" && value !== requested[/** @type {Resource} */ (name)]);
  return changed.length ? Object.fromEntries(changed) : null;
}

/** @param {string | number | undefined} count @param {string} noun */
const counted = (count, noun) => (count ? `${count} ${noun}${count === 1 ? "" : "s"}` : "");

/** @param {Resources} resources @param {Cluster} cluster */
export function resourcesText({ cpus, gpus, memory, time }, cluster) {
  const words = [counted(cpus, "CPU"), counted(gpus, "GPU"), memory, time].filter(Boolean);
  return `Asks ${cluster.name} for ${words.join(", ") || "no particular resources"}`;
}

/**
 * Return the fields of the form in which a person changes them, as `parseFields` takes them.
 *
 * @param {Resources} resources
 * @param {Cluster} cluster
 */
export function resourceFields(resources, cluster) {
  const most = withUnits(cluster.maximum);
  return Object.entries(resources).map(([id, value]) => {
    const name = /** @type {Resource} */ (id);
    const limit = most[name] === undefined || most[name] === "" ? "" : `At most ${most[name]}.`;
    const field = { id, label: LABELS[name], value };
    if (name === "cpus" || name === "gpus") return { ...field, type: "integer", min: 0, max: most[name], help: limit };
    return { ...field, help: `For example ${name === "memory" ? "8 GB" : "2 h"}. ${limit}`.trim() };
  });
}
