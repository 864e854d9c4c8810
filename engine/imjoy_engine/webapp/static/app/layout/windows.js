// Windows that plugins open: imjoy-core announces them on its bus, the page shows them as tabs or dialogs.

import { startedImJoy } from "../core/core.js";
import { freeName, leaveWindow, placeWindow, showView } from "./panes.js";
import { state } from "../model/state.js";
import { describe } from "../results/values.js";

const { markRaw, nextTick } = Vue;

/** Frames are made by imjoy-core, which gives them no name; who does not see them has to be told what they are. */
function nameFrames() {
  /** @type {NodeListOf<HTMLIFrameElement>} */
  const frames = document.querySelectorAll("iframe:not([title])");
  for (const frame of frames) {
    frame.title = frame.closest(".window")?.getAttribute("aria-label") || "A plugin";
  }
}

/** Show the windows that imjoy-core announces, until it says that they are closed. */
export function followWindows() {
  new MutationObserver(nameFrames).observe(document.body, { childList: true, subtree: true });
  const { event_bus } = startedImJoy();
  event_bus.on("add_window", show);
  event_bus.on("close_window", forget);
}

/** @param {CoreWindow | OwnWindow} closed */
function forget(closed) {
  const index = state.windows.findIndex((shown) => shown.window === closed);
  if (index < 0) return;
  const [{ name }] = state.windows.splice(index, 1);
  leaveWindow(name);
}

/** @param {CoreWindow} window */
function show(window) {
  const isOurs = String(window.type).startsWith("imjoy/");
  const show = add(window, {
    id: window.window_id,
    title: window.name || window.type || "window",
    isDialog: Boolean(window.dialog),
    content: isOurs ? markRaw(content(window)) : null,
  });
  window.api.show = window.show = show;
  if (isOurs) nextTick(() => window.api.emit("ready"));
}

/**
 * Give a window a name, by which it has its place; returns what brings it to the front.
 *
 * @param {CoreWindow | OwnWindow} window
 * @param {Omit<WindowShown, "name" | "window">} shown
 */
function add(window, shown) {
  const name = freeName(shown.title);
  state.windows.push({ ...shown, name, window: markRaw(window) });
  if (!shown.isDialog) placeWindow(name);
  return () => showView(name);
}

let lastOwn = 0;

/** The types of windows that show text as what it is. @type {Record<string, "markdown" | "html">} */
const OWN_KINDS = { "imjoy/markdown": "markdown", "imjoy/html": "html" };

/**
 * Open a window of the page's own; `mayClose` is asked before it goes.
 *
 * @param {string} title
 * @param {WindowContent} content
 * @param {() => boolean | Promise<boolean>} mayClose
 * @returns {OwnWindow}
 */
export function openOwnWindow(title, content, mayClose) {
  /** @type {OwnWindow} */
  const window = {
    show: () => bringToFront(),
    async close() {
      if (await mayClose()) forget(window);
    },
  };
  const bringToFront = add(window, { id: `own-${(lastOwn += 1)}`, title, isDialog: false, content });
  return window;
}

/** @param {CoreWindow} window @returns {WindowContent} */
function content({ type, data, config }) {
  if (type === "imjoy/image") return { kind: "image", src: String(data?.src || data || "") };
  const kind = OWN_KINDS[type];
  if (kind) return { kind: "value", value: { kind, text: String(data?.source || data || "") } };
  return { kind: "value", value: describe(data ?? config ?? null) };
}

/**
 * Close a window; imjoy-core, or the editor in it, says when it may go.
 *
 * @param {WindowShown} shown
 */
export function closeWindow(shown) {
  shown.window.close();
}

/**
 * Open what a plugin's `run` returned, where it is `{type, data}`; returns whether it was.
 *
 * @param {CorePlugin | null} plugin
 * @param {any} result
 */
export async function openResult(plugin, result) {
  if (!result || typeof result !== "object" || typeof result.type !== "string" || !("data" in result)) return false;
  await openWindow(plugin, { name: result.name || result.type, ...result });
  return true;
}

/**
 * Open a window of a plugin's; a type that no plugin here provides is shown as data.
 *
 * @param {CorePlugin | null} plugin
 * @param {string | Wanted} wanted
 * @param {object} [more]
 */
export function openWindow(plugin, wanted, more) {
  const { pm } = startedImJoy();
  /** @type {Wanted} */
  const config = typeof wanted === "string" ? { type: wanted } : { ...wanted };
  const isKnown = config.src || String(config.type).startsWith("imjoy/") || pm.registered.windows[String(config.type)];
  const isSource = typeof wanted === "string" && /[\n/]/.test(wanted);
  if (isSource) return pm.createWindow(plugin, wanted, more);
  if (!isKnown) Object.assign(config, { name: config.name || config.type, type: "imjoy/generic" });
  return pm.createWindow(plugin, config, more);
}
