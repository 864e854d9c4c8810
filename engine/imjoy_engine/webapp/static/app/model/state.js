// What the page shows, in one reactive object, and the few ways to change it that several modules need.

import { home, knownCommand, wantedWorkspace } from "./storage.js";

const { reactive, markRaw } = Vue;

const LOG_LINES = 2000;
const OUTPUT_ENTRIES = 200;
const SNACKBAR_SECONDS = 5;

/** @type {PageState} */
const initialState = {
  engine: { phase: "starting", status: null, error: null },
  command: knownCommand(),
  others: [],
  preferred: home,
  plugins: [],
  grants: [],
  output: [],
  log: [],
  windows: [],
  dialogs: [],
  snackbar: null,
  workspace: wantedWorkspace(),
  workspaces: [],
  view: "output",
  layout: { tabs: ["output", "log"], shown: "output" },
  floats: {},
  maximised: null,
  dragged: null,
  loadError: null,
  loading: false,
  taking: null,
  dropping: false,
};

/** @type {PageState} */
export const state = reactive(initialState);

let lastId = 0;
const nextId = () => ++lastId;

/**
 * Show something at the top of the output, in the place of the oldest where there are too many.
 *
 * @param {Omit<OutputEntry, "id" | "time">} entry
 */
export function addOutput(entry) {
  state.output.unshift({ id: nextId(), time: new Date(), ...entry });
  state.output.length = Math.min(state.output.length, OUTPUT_ENTRIES);
}

/**
 * What was written of each line that has no end yet, and the line, by plugin and stream.
 *
 * @type {Map<string, {written: string, line: LogLine}>}
 */
const unfinished = new Map();
/** @param {string} plugin @param {string} stream */
const keyOf = (plugin, stream) => JSON.stringify([plugin, stream]);

/**
 * Add whole lines to the log; `stream` is `stdout`, `stderr`, `engine` or `app`.
 *
 * @param {string} plugin
 * @param {string} stream
 * @param {string} text
 */
export function addLog(plugin, stream, text) {
  unfinished.delete(keyOf(plugin, stream));
  writeLog(plugin, stream, String(text).replace(/\n?$/, "\n"));
}

/** Forget the log, also what of a line has not ended yet. */
export function clearLog() {
  state.log.splice(0);
  unfinished.clear();
}

/**
 * Add a piece of a stream to the log as a terminal does: a line goes on until it ends, a carriage return begins it anew.
 *
 * @param {string} plugin
 * @param {string} stream
 * @param {string} text
 * @param {number} [time] in milliseconds
 */
export function writeLog(plugin, stream, text, time = Date.now()) {
  const key = keyOf(plugin, stream);
  const pieces = text.split("\n");
  const rest = pieces.pop();
  for (const piece of pieces) {
    writeLine(key, { plugin, stream, time }, piece);
    unfinished.delete(key);
  }
  if (rest) writeLine(key, { plugin, stream, time }, rest);
  if (state.log.length > LOG_LINES) state.log.splice(0, state.log.length - LOG_LINES);
}

/**
 * @param {string} key
 * @param {Pick<LogLine, "plugin" | "stream" | "time">} about
 * @param {string} piece
 */
function writeLine(key, about, piece) {
  let known = unfinished.get(key);
  if (!known) {
    // The line that changes is the reactive one.
    const at = state.log.push({ id: nextId(), ...about, text: "" }) - 1;
    known = { written: "", line: state.log[at] };
    unfinished.set(key, known);
  }
  const [, shown = "", end = ""] = /([^\r]*)(\r*)$/.exec(known.written + piece) || [];
  known.written = shown + end;
  known.line.text = shown;
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let snackbarTimer;

/**
 * Show a sentence for a moment, in the place of the one before.
 *
 * @param {string} text
 * @param {unknown} [seconds] as a plugin gave them
 */
export function showSnackbar(text, seconds) {
  clearTimeout(snackbarTimer);
  state.snackbar = text;
  snackbarTimer = setTimeout(() => (state.snackbar = null), (Number(seconds) || SNACKBAR_SECONDS) * 1000);
}

/**
 * Show a dialog of `kind` and wait for its answer: what it passes to `done`, or null when it is dismissed.
 *
 * @template {keyof Questions} K
 * @param {K} kind
 * @param {Questions[K][0]} details
 * @param {string} [asker] the plugin that asks
 * @returns {Promise<Questions[K][1] | null>}
 */
export function ask(kind, details, asker) {
  return new Promise((resolve) => {
    const id = nextId();
    const done = markRaw((/** @type {Questions[K][1] | null} */ answer) => {
      const at = state.dialogs.findIndex((dialog) => dialog.id === id);
      if (at >= 0) state.dialogs.splice(at, 1);
      resolve(answer);
    });
    state.dialogs.push({ ...details, id, kind, asker, done });
  });
}

/**
 * Dismiss what a plugin asks: the answer would reach nobody.
 *
 * @param {string} plugin
 */
export function closeDialogsOf(plugin) {
  for (const { done } of state.dialogs.filter(({ asker }) => asker === plugin)) done(null);
}

/**
 * The card of a plugin, by its name.
 *
 * @param {string} name
 */
export function pluginNamed(name) {
  return state.plugins.find((plugin) => plugin.name === name);
}
