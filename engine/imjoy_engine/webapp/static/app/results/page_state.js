// Output and log survive a reload: the engine keeps what this page showed. Where a run does not, the page asks first.

import { newClientId } from "../../engine/client.js";
import { messageOf } from "../../engine/errors.js";
import { pack, Reader } from "../../engine/wire.js";
import { core, on, ownClient } from "../core/core.js";
import { noteRuns, runsNow, tellLostRuns, wouldLoseRuns } from "../core/resumed_runs.js";
import { state } from "../model/state.js";

const { markRaw, watch } = Vue;

/** @param {string} name */
const ofWorkspace = (name) => (state.workspace === "default" ? name : `${name} ${state.workspace}`);
const PAGE = ofWorkspace("imjoy.page");
const LOG_KEY = "log";
const LOG_LINES_KEPT = 500;
const LOG_MILLISECONDS = 1000;
/** First a thing is shown, then kept. */
const SHOWN_MILLISECONDS = 500;
/** As much as the engine takes of one thing. */
const MAX_BYTES = 64 * 1024 * 1024;
const DEPTH_KEPT = 12;

/** What waits to be kept, by its key. @type {Map<string, () => Promise<Blob>>} */
const waiting = new Map();
/** The ids of what was kept or restored. @type {Set<number | string>} */
const known = new Set();
let busy = false;
let restored = false;
/** @type {() => void} */
let tellRestored = () => {};
/** Once what was kept is shown again, or cannot be. @type {Promise<void>} */
const whenRestored = new Promise((resolve) => (tellRestored = resolve));

/** An id of this tab and its workspace, which a reload keeps. */
function pageId() {
  let id = sessionStorage.getItem(PAGE);
  if (!id) {
    id = newClientId();
    sessionStorage.setItem(PAGE, id);
  }
  return id;
}

const path = (key = "") => `/api/v1/shown/${pageId()}${key && `/${key}`}`;

/** Keep what is shown as it comes, and show again what was kept once the engine is connected. */
export function followOutput() {
  /** @type {ReturnType<typeof setTimeout> | null} */
  let logTimer = null;
  on("written", unlessShown);
  on("connected", () => restore().finally(tellRestored).finally(send));
  watch(() => state.output.length, noteOutput);
  watch(
    () => [state.log.at(-1)?.id, state.log.at(-1)?.text].join(),
    () => (logTimer ??= setTimeout(() => ((logTimer = null), noteLog()), LOG_MILLISECONDS)),
  );
  watch(runsNow, noteRuns);
  window.addEventListener("beforeunload", (event) => {
    if (wouldLoseRuns() || [...waiting.keys()].some((key) => key !== LOG_KEY)) event.preventDefault();
  });
}

/** Forget the output, here and in the engine. */
export function clearOutput() {
  state.output.splice(0);
  waiting.clear();
  core.client?.fetch("DELETE", path()).then(noteLog, () => {});
}

/**
 * Keys sort as time does.
 *
 * @param {OutputEntry} entry
 */
const keyOf = (entry) =>
  `e${entry.time.getTime().toString(36).padStart(9, "0")}${entry.id.toString(36).padStart(6, "0")}`;

function noteOutput() {
  for (const entry of state.output) {
    if (known.has(entry.id)) break;
    known.add(entry.id);
    waiting.set(keyOf(entry), () => packed({ ...entry, time: entry.time.getTime() }));
  }
  setTimeout(send, SHOWN_MILLISECONDS);
}

function noteLog() {
  waiting.set(LOG_KEY, () => packed({ lines: state.log.slice(-LOG_LINES_KEPT).map((line) => ({ ...line })) }));
  send();
}

async function send() {
  if (busy || !restored) return;
  busy = true;
  try {
    while (waiting.size && core.client) {
      const [[key, content]] = waiting;
      const body = await content();
      const response = await core.client.fetch("PUT", path(key), { body });
      if (!response.ok) console.warn(`The engine does not keep what this page shows (${response.status}).`);
      waiting.delete(key);
    }
  } catch {
    // The engine is gone for now: the rest waits until it is back.
  } finally {
    busy = false;
  }
}

/**
 * One message of docs/protocol.md, as one frame.
 *
 * @param {object} entry
 */
async function packed(entry) {
  /** @type {Uint8Array<ArrayBuffer>[]} */
  let pieces;
  try {
    pieces = await pack(plain(entry));
    if (pieces.reduce((sum, piece) => sum + piece.byteLength, 0) >= MAX_BYTES) throw new Error("too large");
  } catch (error) {
    const reason = `This could not be kept for the reload: ${messageOf(error)}.`;
    pieces = await pack(plain({ ...entry, value: { result: reason } }));
  }
  return new Blob([new Uint8Array([0]), ...pieces]);
}

/**
 * A value without what a message cannot carry: functions, and things of the page. Arrays keep their type.
 *
 * @param {any} value
 * @param {number} [depth]
 * @returns {unknown}
 */
function plain(value, depth = 0) {
  if (typeof value === "function") return "(a function)";
  if (typeof value === "bigint") return String(value);
  if (value === null || typeof value !== "object") return value;
  if (depth > DEPTH_KEPT) return "…";
  if (value instanceof Blob) return { _rtype: "blob", _rmime: value.type, _rvalue: value };
  if (value._rtype === "ndarray" || value instanceof ArrayBuffer) return value;
  if (ArrayBuffer.isView(value)) {
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    const dtype = value.constructor.name.replace(/Array$|Clamped/g, "").toLowerCase();
    const length = "length" in value ? value.length : value.byteLength;
    return { _rtype: "ndarray", _rdtype: dtype, _rshape: [length], _rvalue: bytes };
  }
  if (Array.isArray(value)) return value.map((item) => plain(item, depth + 1));
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  return Object.fromEntries(entries.map(([name, item]) => [name, plain(item, depth + 1)]));
}

async function restore() {
  if (restored) return;
  /** @type {{entries: {key: string}[]}} */
  const { entries } = await ownClient().json("GET", path());
  const keys = entries.map(({ key }) => key);
  for (const key of keys.filter((each) => each !== LOG_KEY).reverse()) await restoreEntry(key);
  if (keys.includes(LOG_KEY)) {
    /** @type {{lines: LogLine[]}} */
    const { lines } = await fetched(LOG_KEY);
    state.log.unshift(...lines.map((line) => ({ ...line, id: `before-${line.id}` })));
  }
  restored = true;
  tellLostRuns();
}

/** @param {string} key */
async function restoreEntry(key) {
  const { id, time, value, ...entry } = await fetched(key);
  const shown = { ...entry, id: `before-${id}-${time}`, time: new Date(time) };
  if (value) shown.value = markRaw(value);
  known.add(shown.id);
  state.output.push(shown);
}

/** @param {string} key */
async function fetched(key) {
  const response = await ownClient().fetch("GET", path(key));
  const frame = await response.arrayBuffer();
  return new Reader().push(frame);
}

/**
 * Call `write` with what a plugin that went on wrote, unless that is shown again already.
 *
 * @param {string} plugin
 * @param {number} time in milliseconds
 * @param {() => void} write
 */
async function unlessShown(plugin, time, write) {
  await whenRestored;
  const isShown = state.log.some(
    (line) =>
      line.plugin === plugin && line.stream !== "app" && String(line.id).startsWith("before-") && line.time >= time,
  );
  if (!isShown) write();
}
