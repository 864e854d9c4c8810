// The runs that go on while this page is reloaded: noted for this tab, and found again by the page that comes.

import { newClientId } from "../../engine/client.js";
import { CALL } from "../../engine/session.js";
import { readable } from "../model/errors.js";
import { addLog, addOutput, state } from "../model/state.js";

const NOTE = state.workspace === "default" ? "imjoy.runs" : `imjoy.runs ${state.workspace}`;
/** What has more values in it is not looked through for functions. */
const MAX_VALUES = 100_000;
const LONG_MILLISECONDS = 60_000;
/** What ended while nobody was there is told of its end by then. */
const END_MILLISECONDS = 10_000;
/** As many as the engine holds of one plugin. */
const MAX_HELD = 64;

/** @typedef {{name: string, engineId: string, lost: boolean, held: HeldRun[], status: string, percent: number | null}} RunsOfPlugin */

/** The plugins whose connection broke while this page was there. @type {Set<string>} */
const broken = new Set();

/** What ran when this tab was left, by the plugin's name. @type {Map<string, RunsOfPlugin>} */
const before = new Map(
  JSON.parse(sessionStorage.getItem(NOTE) || "[]").map((/** @type {RunsOfPlugin} */ runs) => [runs.name, runs]),
);

/** What runs, as it is noted. @returns {RunsOfPlugin[]} */
export const runsNow = () =>
  state.plugins.filter((card) => card.runs > 0).map((card) => noteOf(card, card.runs > card.held.length));

/** @param {Pick<Card, "name" | "engineId" | "held" | "status" | "percent">} card @param {boolean} lost */
const noteOf = ({ name, engineId, held, status, percent }, lost) => ({ name, engineId, lost, held, status, percent });

/** @param {RunsOfPlugin[]} runs */
export function noteRuns(runs) {
  // What was not found again yet may still be.
  sessionStorage.setItem(NOTE, JSON.stringify([...before.values(), ...runs]));
}

/**
 * Whether a run would be lost: by a reload, or, of one that has gone on for long, as the tab may be closed: a browser
 * does not tell which it is.
 */
export const wouldLoseRuns = () =>
  runsNow().some(({ lost, held }) => lost || held.some(({ begun }) => Date.now() - begun > LONG_MILLISECONDS));

/** Name the runs that the reload ended, once. */
export function tellLostRuns() {
  for (const runs of before.values()) {
    if (runs.lost) tellLost(runs.name);
    runs.lost = false;
    if (!runs.held.length) before.delete(runs.name);
  }
}

/**
 * The ids of a plugin's calls that went on.
 *
 * @param {string} name
 */
export const callsBefore = (name) => before.get(name)?.held.map(({ call }) => call) || [];

/**
 * Have a card show the runs that went on, or tell that they ended.
 *
 * @param {Card} card
 * @param {{resumed?: boolean, elsewhere?: boolean, lost?: Problem | null}} plugin
 * @param {import("../../engine/client.js").EngineClient} [client] of the engine that they were on
 */
export function findRuns(card, { resumed, elsewhere, lost: loss }, client) {
  const runs = before.get(card.name);
  if (!runs?.held.length) return;
  before.delete(card.name);
  const { held, status, percent, lost } = runs;
  if (elsewhere) {
    // This tab was made of the one that has them.
    addLog(card.name, "app", `What runs of ${card.name} in another tab goes on there.`);
  } else if (resumed) {
    if (lost) tellLost(card.name);
    Object.assign(card, { held, runs: held.length, status, percent });
  } else if (loss) {
    addOutput({ plugin: card.name, kind: "error", error: readable(loss, `The run of ${card.name} has ended.`) });
  } else {
    tellEnd(runs, client);
  }
}

/**
 * Say what a plugin died of whose runs nobody was there for, or that they ended.
 *
 * @param {RunsOfPlugin} runs
 * @param {import("../../engine/client.js").EngineClient} [client]
 */
async function tellEnd({ name, engineId }, client) {
  const plugin = await client?.ended(engineId, END_MILLISECONDS).catch(() => null);
  if (plugin?.error) addOutput({ plugin: name, kind: "error", error: readable(plugin.error, `${name} has ended.`) });
  else tellLost(name);
}

/**
 * Have the runs that a card shows looked for once more; `isBroken` where its connection was lost, not this page.
 *
 * @param {Card} card
 * @param {boolean} [isBroken]
 */
export function putBack(card, isBroken = false) {
  if (isBroken) broken.add(card.name);
  before.set(card.name, noteOf(card, card.runs > card.held.length));
  Object.assign(card, { runs: 0, held: [], status: "", percent: null });
}

/**
 * Have the runs of a plugin looked for no more: it was stopped.
 *
 * @param {string} name
 */
export function forgetRuns(name) {
  if (before.delete(name)) noteRuns(runsNow());
}

/**
 * Have a run with that argument go on over a reload; returns what is noted of it, null where it cannot.
 *
 * @param {Card} card
 * @param {string | undefined} op
 * @param {object} argument
 * @returns {HeldRun | null}
 */
export function holdRun(card, op, argument) {
  if (!card.holds || card.held.length >= MAX_HELD || !isPlain(argument)) return null;
  const held = { call: newClientId(), op, begun: Date.now() };
  Object.assign(argument, { [CALL]: held.call });
  card.held = [...card.held, held];
  return held;
}

/**
 * Whether nothing in it belongs to this page.
 *
 * @param {unknown} value
 */
function isPlain(value) {
  const left = [value];
  for (let seen = 0; left.length && seen < MAX_VALUES; seen++) {
    const next = left.pop();
    if (typeof next === "function") return false;
    if (next && typeof next === "object" && !ArrayBuffer.isView(next)) left.push(...Object.values(next));
  }
  return left.length === 0;
}

/** @param {string} name */
function tellLost(name) {
  const why = broken.delete(name)
    ? {
        what: `The run of ${name} ended when the connection to the engine was lost.`,
        why: "It used an object of the page, the engine was restarted, or the connection came back too late.",
      }
    : {
        what: `The run of ${name} ended when this page was reloaded.`,
        why: "It ran in the page itself, it used an object of the page, or the page came back too late.",
      };
  const error = { id: "", ...why, fix: "Run it again." };
  addOutput({ plugin: name, kind: "error", error });
}
