// The layout of this page's views: what is shown where, as a person arranges it, remembered for the workspace.

import {
  arrange,
  bounded,
  MIN_SHARE,
  paneOf,
  panesOf,
  paneWith,
  place,
  readFloats,
  readLayout,
  withinReach,
} from "./layout.js";
import { state } from "../model/state.js";
import { keepLayout, noteLayout, onEntered } from "./workspaces.js";

const { computed, reactive, watch } = Vue;

/** @typedef {import("./layout.js").Pane} Pane */
/** @typedef {{name: string, title: string, shown?: WindowShown}} Tab of a view; `shown` for a window */

/** The views that are always there. */
const ALWAYS = { output: "Output", log: "Log" };
const FIRST_FLOAT = { y: 96, width: 560, height: 420 };
const MARGIN = 64;
const FLOAT_STEP = 32;
const MIN_FLOAT = { width: 240, height: 160 };

const docked = computed(() => state.windows.filter(({ isDialog }) => !isDialog));

/** The views with a tab. */
const tabs = computed(tabsNow);

/** @returns {Tab[]} */
function tabsNow() {
  const windows = docked.value.filter(({ name }) => !state.floats[name]);
  return [
    ...Object.entries(ALWAYS).map(([name, title]) => ({ name, title })),
    ...windows.map((shown) => ({ name: shown.name, title: shown.title, shown })),
  ];
}

/**
 * The tab of a view, where it has one.
 *
 * @param {string} name
 */
export const tabNamed = (name) => tabs.value.find((tab) => tab.name === name);

/** {panes, splitters} as they are drawn; of a maximised view its pane alone. */
export const arranged = computed(() => {
  const found = arrange(state.layout, new Set(tabs.value.map(({ name }) => name)));
  const { maximised } = state;
  const whole = maximised === null ? undefined : found.panes.find(({ tabs }) => tabs.includes(maximised));
  return whole ? { panes: [{ ...whole, x: 0, y: 0, width: 1, height: 1 }], splitters: [] } : found;
});

/**
 * The pane that shows a view now, with its number; undefined for one that is behind another.
 *
 * @param {string} name
 */
export function paneShowing(name) {
  const index = arranged.value.panes.findIndex(({ shown }) => shown === name);
  return index < 0 ? undefined : { ...arranged.value.panes[index], index };
}

/**
 * Bring a view to the front, wherever it is.
 *
 * @param {string} name
 */
export function showView(name) {
  if (state.floats[name]) {
    raise(name);
    return;
  }
  const pane = paneWith(state.layout, name);
  if (!pane) return;
  pane.shown = name;
  state.view = name;
  if (state.maximised && !paneShowing(name)) state.maximised = null;
}

/**
 * Give a window that opens its place: the one that it had, else beside what is looked at.
 *
 * @param {string} name
 */
export function placeWindow(name) {
  if (!paneWith(state.layout, name)) {
    const near = paneWith(state.layout, state.view) || panesOf(state.layout)[0];
    state.layout = bounded(place(state.layout, name, near), new Set([...tabs.value.map((tab) => tab.name), name]));
  }
  showView(name);
}

/**
 * Look at something else once a window has gone.
 *
 * @param {string} name
 */
export function leaveWindow(name) {
  if (state.maximised === name) state.maximised = null;
  if (state.view !== name) return;
  const pane = arranged.value.panes.find((each) => each.pane.tabs.includes(name));
  showView(pane?.shown || "output");
}

/**
 * A name by which a window finds its place again: its title, with a number where several have it.
 *
 * @param {string} title
 */
export function freeName(title) {
  for (let number = 1; ; number++) {
    const name = number === 1 ? `window ${title}` : `window ${title} ${number}`;
    if (!state.windows.some((shown) => shown.name === name)) return name;
  }
}

/**
 * Move a view into a pane, or to a side of it.
 *
 * @param {string} name
 * @param {Pane} pane
 * @param {import("./layout.js").Side} [side]
 */
export function moveView(name, pane, side = "middle") {
  state.maximised = null;
  state.layout = place(state.layout, name, pane, side);
  showView(name);
}

/**
 * Move a view to the pane after its own.
 *
 * @param {string} name
 */
export function moveToNextPane(name) {
  const { panes } = arranged.value;
  const at = panes.findIndex(({ tabs }) => tabs.includes(name));
  moveView(name, panes[(at + 1) % panes.length].pane);
}

/**
 * Move the border between the parts of a split, as far as both keep some room.
 *
 * @param {import("./layout.js").Split} split
 * @param {number} share
 */
export function setShare(split, share) {
  split.share = Math.min(1 - MIN_SHARE, Math.max(MIN_SHARE, share));
}

/**
 * Give a view the whole page, or back what it took of it.
 *
 * @param {string} name
 */
export function toggleMaximised(name) {
  state.maximised = state.maximised ? null : name;
  showView(name);
}

/**
 * Take a window out of the panes: it floats over the page, where it can be moved and resized.
 *
 * @param {string} name
 */
export function popOut(name) {
  const step = FLOAT_STEP * Object.keys(state.floats).length;
  const { y, width, height } = FIRST_FLOAT;
  state.floats[name] = { x: innerWidth - width - MARGIN - step, y: y + step, width, height, order: 0 };
  moveFloat(name, 0, 0);
  leaveWindow(name);
}

/**
 * Put a window that floats back into the panes.
 *
 * @param {string} name
 */
export function putBack(name) {
  delete state.floats[name];
  placeWindow(name);
}

/** @param {string} name */
function raise(name) {
  const rectangle = state.floats[name];
  const top = Math.max(...Object.values(state.floats).map(({ order }) => order));
  if (!rectangle.order || rectangle.order < top) rectangle.order = top + 1;
}

const pageSize = () => ({ width: innerWidth, height: innerHeight });
const page = reactive(pageSize());

/**
 * @template {import("./layout.js").Rectangle} B
 * @param {B} rectangle
 * @returns {B}
 */
const onPage = (rectangle) => ({ ...rectangle, ...withinReach(rectangle, page) });

/**
 * Where a floating window is drawn: where it was put, but with its heading on the page, however small that is now.
 *
 * @param {string} name
 */
export const floatRectangle = (name) => state.floats[name] && onPage(state.floats[name]);

/**
 * Move a floating window by so many pixels; a part of its heading stays on the page.
 *
 * @param {string} name
 * @param {number} dx
 * @param {number} dy
 */
export function moveFloat(name, dx, dy) {
  const rectangle = floatRectangle(name);
  Object.assign(state.floats[name], onPage({ ...rectangle, x: rectangle.x + dx, y: rectangle.y + dy }));
  raise(name);
}

/**
 * Resize a floating window by so many pixels, to no less than can be used.
 *
 * @param {string} name
 * @param {number} dx
 * @param {number} dy
 */
export function resizeFloat(name, dx, dy) {
  const rectangle = state.floats[name];
  rectangle.width = Math.max(MIN_FLOAT.width, rectangle.width + dx);
  rectangle.height = Math.max(MIN_FLOAT.height, rectangle.height + dy);
}

/** Take the layout that is kept for the workspace once the engine tells it, and keep it as it changes. */
export function followLayout() {
  window.addEventListener("resize", () => Object.assign(page, pageSize()));
  onEntered(({ layout }) => {
    restoreLayout(layout);
    watch(layoutNow, keepLayout, { deep: true });
  });
}

const layoutNow = () => ({ panes: state.layout, floats: state.floats });

/** @param {any} kept */
function restoreLayout(kept) {
  const panes = readLayout(kept?.panes) || paneOf();
  const first = panesOf(panes)[0];
  first.tabs.unshift(...Object.keys(ALWAYS).filter((name) => !paneWith(panes, name)));
  first.shown ||= "output";
  const { shown } = paneWith(panes, "output") || first;
  Object.assign(state, { layout: panes, floats: {}, maximised: null, view: shown });
  for (const [name, rectangle] of readFloats(kept?.floats)) state.floats[name] = { ...rectangle, order: 0 };
  noteLayout(layoutNow());
  for (const { name } of docked.value) placeWindow(name);
}
