// What the page shows, in one reactive object, and the few ways to change it that several modules need.

import { home, knownCommand, wantedWorkspace } from "./memory.js";

const { reactive, markRaw } = Vue;

const LOG_LINES = 2000;
const OUTPUT_ENTRIES = 200;
const SNACKBAR_SECONDS = 5;

export const state = reactive({
  /** phase: `starting`, `disconnected`, `connecting`, `connected` or `lost` */
  engine: { phase: "starting", status: null, error: null },
  /** what a person types for `imjoy` where the engine was started */
  command: knownCommand(),
  /** engines besides: [{url, phase, error}] */
  others: [],
  /** the url of the engine that plugins are started on */
  preferred: home,
  plugins: [],
  /** what the person allowed web plugins: [{identity, kind, name}] */
  grants: [],
  output: [],
  /** [{id, plugin, stream, time, text}], `time` in milliseconds */
  log: [],
  windows: [],
  dialogs: [],
  snackbar: null,
  /** the name of the workspace that is open */
  workspace: wantedWorkspace(),
  /** the names of all of them */
  workspaces: [],
  /** the name of the view that was brought to the front last */
  view: "output",
  /** where the views lie (layout.js), the windows that float, by name, and the view that has the whole page */
  layout: { tabs: ["output", "log"], shown: "output" },
  floats: {},
  maximised: null,
  /** the tab that is being dragged, and where it would fall */
  dragged: null,
  loadError: null,
  loading: false,
  /** of several files the one that is taken now: {name, number, count} */
  taking: null,
  /** whether something is held over the page that could be dropped */
  dropping: false,
});

let lastId = 0;
const nextId = () => ++lastId;

export function addOutput(entry) {
  state.output.unshift({ id: nextId(), time: new Date(), ...entry });
  state.output.length = Math.min(state.output.length, OUTPUT_ENTRIES);
}

/** What was written of each line that has no end yet, and the line, by plugin and stream. */
const unfinished = new Map();
const keyOf = (plugin, stream) => JSON.stringify([plugin, stream]);

/** Add whole lines to the log; `stream` is `stdout`, `stderr`, `engine` or `app`. */
export function addLog(plugin, stream, text) {
  unfinished.delete(keyOf(plugin, stream));
  writeLog(plugin, stream, String(text).replace(/\n?$/, "\n"));
}

export function clearLog() {
  state.log.splice(0);
  unfinished.clear();
}

/** Add a piece of a stream to the log as a terminal does: a line goes on until it ends, a carriage return begins it anew. */
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

function writeLine(key, about, piece) {
  let known = unfinished.get(key);
  if (!known) {
    state.log.push({ id: nextId(), ...about, text: "" });
    known = { written: "", line: state.log.at(-1) };
    unfinished.set(key, known);
  }
  const [, shown, end] = /([^\r]*)(\r*)$/.exec(known.written + piece);
  known.written = shown + end;
  known.line.text = shown;
}

let snackbarTimer = null;

export function showSnackbar(text, seconds) {
  clearTimeout(snackbarTimer);
  state.snackbar = text;
  snackbarTimer = setTimeout(() => (state.snackbar = null), (Number(seconds) || SNACKBAR_SECONDS) * 1000);
}

/** Show a dialog of `kind` and wait for its answer: what it passes to `done`, or null when it is dismissed. */
export function ask(kind, details) {
  return new Promise((resolve) => {
    const dialog = reactive({ id: nextId(), kind, ...details });
    dialog.done = markRaw((answer) => {
      state.dialogs.splice(state.dialogs.indexOf(dialog), 1);
      resolve(answer);
    });
    state.dialogs.push(dialog);
  });
}

export function pluginNamed(name) {
  return state.plugins.find((plugin) => plugin.name === name);
}
