// Where the views of the page lie: panes side by side or one above the other, each with the tabs of some views. A view that
// is not open now keeps its place, so that it comes back there.

/** @typedef {{tabs: string[], shown: string}} Pane `tabs` and `shown` are names of views */
/** @typedef {{across: boolean, share: number, parts: [Part, Part]}} Split `share` is the first part's, of 1 */
/** @typedef {Pane | Split} Part */
/** @typedef {{x: number, y: number, width: number, height: number}} Rectangle */
/** @typedef {Rectangle & {pane: Pane, tabs: string[], shown: string}} Placed */
/** @typedef {{split: Split, rectangle: Rectangle, x: number, y: number, length: number}} Splitter the border between a split's parts */
/** @typedef {"middle" | "left" | "right" | "top" | "bottom"} Side */

/** What either part of a split keeps at least. */
export const MIN_SHARE = 0.1;
const MAX_TABS = 64;
const DEEPEST = 12;
/** This near to a side of a pane, a tab that is dropped gets a pane of its own there. */
const EDGE = 0.25;

/** @param {string[]} tabs @returns {Pane} */
export const paneOf = (...tabs) => ({ tabs, shown: tabs[0] || "" });

/** @param {Part} part @returns {part is Split} */
const isSplit = (part) => "parts" in part;

/** @param {Part} root @returns {Pane[]} */
export const panesOf = (root) => (isSplit(root) ? root.parts.flatMap(panesOf) : [root]);

/** @param {Part} root @param {string} name */
export const paneWith = (root, name) => panesOf(root).find(({ tabs }) => tabs.includes(name));

/**
 * Return the panes that have something to show, and the borders between them, in parts of the whole; a pane without an open
 * view takes no room.
 *
 * @param {Part} root
 * @param {Set<string>} open the names of the views that are there
 * @param {Rectangle} [rectangle]
 * @returns {{panes: Placed[], splitters: Splitter[]}}
 */
export function arrange(root, open, rectangle = { x: 0, y: 0, width: 1, height: 1 }) {
  const isEmpty = (/** @type {Part} */ part) => panesOf(part).every(({ tabs }) => !tabs.some((name) => open.has(name)));
  if (!isSplit(root)) {
    const tabs = root.tabs.filter((name) => open.has(name));
    const shown = tabs.includes(root.shown) ? root.shown : before(root, root.shown, tabs);
    return { panes: tabs.length ? [{ ...rectangle, pane: root, tabs, shown }] : [], splitters: [] };
  }
  const [first, second] = root.parts;
  if (isEmpty(first)) return arrange(second, open, rectangle);
  if (isEmpty(second)) return arrange(first, open, rectangle);
  const { x, y, width, height } = rectangle;
  const { across, share } = root;
  const one = across ? { ...rectangle, width: width * share } : { ...rectangle, height: height * share };
  const other = across
    ? { x: x + one.width, y, width: width - one.width, height }
    : { x, y: y + one.height, width, height: height - one.height };
  const parts = [arrange(first, open, one), arrange(second, open, other)];
  const splitter = { split: root, rectangle, x: other.x, y: other.y, length: across ? height : width };
  return {
    panes: parts.flatMap(({ panes }) => panes),
    splitters: [splitter, ...parts.flatMap(({ splitters }) => splitters)],
  };
}

/**
 * Return the layout with a view in a pane, as the one that it shows; at a side other than the middle the view gets a pane of
 * its own there, unless that would be deeper than what is read back. Panes without any view go.
 *
 * @param {Part} root
 * @param {string} name
 * @param {Pane} target
 * @param {Side} [side]
 * @param {number} [depth]
 * @returns {Part}
 */
export function place(root, name, target, side = "middle", depth = 0) {
  if (isSplit(root)) {
    const parts = root.parts.map((part) => place(part, name, target, side, depth + 1));
    const [first, second] = parts;
    if (isBare(first)) return second;
    if (isBare(second)) return first;
    return { ...root, parts: [first, second] };
  }
  const others = root.tabs.filter((each) => each !== name);
  const rest = { tabs: others, shown: root.shown === name ? before(root, name, others) : root.shown };
  if (root !== target) return rest;
  if (side === "middle" || !others.length || depth >= DEEPEST) {
    return { tabs: root.tabs.includes(name) ? root.tabs : [...others, name], shown: name };
  }
  const own = paneOf(name);
  const isFirst = side === "left" || side === "top";
  return {
    across: side === "left" || side === "right",
    share: 0.5,
    parts: isFirst ? [own, rest] : [rest, own],
  };
}

/**
 * The view whose tab stands before the one that goes, of those that stay.
 *
 * @param {Pane} pane
 * @param {string} name
 * @param {string[]} stay
 */
function before({ tabs }, name, stay) {
  return (
    tabs
      .slice(0, tabs.indexOf(name))
      .filter((each) => stay.includes(each))
      .at(-1) ||
    stay[0] ||
    ""
  );
}

/** @param {Part} part */
const isBare = (part) => !isSplit(part) && !part.tabs.length;

/**
 * Where a tab falls that is dropped at a point, in parts of the whole; null where no pane is.
 *
 * @param {Placed[]} panes
 * @param {number} x
 * @param {number} y
 * @returns {{pane: Pane, side: Side, rectangle: Rectangle} | null}
 */
export function targetAt(panes, x, y) {
  const found = panes.find((each) => x >= each.x && y >= each.y && x < each.x + each.width && y < each.y + each.height);
  if (!found) return null;
  const { pane, width, height } = found;
  const [across, down] = [(x - found.x) / width, (y - found.y) / height];
  /** @type {[number, Side, Partial<Rectangle>][]} */
  const sides = [
    [across, "left", { width: width / 2 }],
    [1 - across, "right", { x: found.x + width / 2, width: width / 2 }],
    [down, "top", { height: height / 2 }],
    [1 - down, "bottom", { y: found.y + height / 2, height: height / 2 }],
  ];
  const [distance, side, half] = sides.reduce((near, each) => (each[0] < near[0] ? each : near));
  const rectangle = { x: found.x, y: found.y, width, height };
  return distance < EDGE ? { pane, side, rectangle: { ...rectangle, ...half } } : { pane, side: "middle", rectangle };
}

/**
 * The layout that was kept, with as many views as are kept, or null where it is none: a file of another time, or of another
 * program.
 *
 * @param {any} kept
 * @returns {Part | null}
 */
export function readLayout(kept) {
  /** @type {Set<string>} */
  const names = new Set();
  /** @param {any} part @param {number} depth @returns {Part} */
  const read = (part, depth) => {
    if (depth > DEEPEST) throw new RangeError("too deep");
    if (Array.isArray(part.parts)) {
      const [first, second] = part.parts;
      const share = Math.min(1 - MIN_SHARE, Math.max(MIN_SHARE, Number(part.share) || 0.5));
      return { across: Boolean(part.across), share, parts: [read(first, depth + 1), read(second, depth + 1)] };
    }
    const tabs = part.tabs.filter((/** @type {any} */ name) => {
      const isTaken = typeof name === "string" && !names.has(name) && names.size < MAX_TABS;
      if (isTaken) names.add(name);
      return isTaken;
    });
    return { tabs, shown: tabs.includes(part.shown) ? part.shown : tabs[0] || "" };
  };
  try {
    const layout = read(kept, 0);
    return names.size ? layout : null;
  } catch {
    return null;
  }
}

/**
 * The rectangles of the windows that floated, by name; what is none is left out.
 *
 * @param {any} kept
 * @returns {[string, Rectangle][]}
 */
export function readFloats(kept) {
  /** @type {[string, any][]} */
  const entries = Object.entries(kept || {});
  return entries
    .map(([name, rectangle]) => /** @type {[string, Rectangle]} */ ([name, pick(rectangle || {})]))
    .filter(([, rectangle]) => Object.values(rectangle).every(Number.isFinite))
    .slice(-MAX_TABS);
}

/** @param {Rectangle} rectangle @returns {Rectangle} */
const pick = ({ x, y, width, height }) => ({ x, y, width, height });

/**
 * Where a floating window has to lie for a part of its heading to be on a page of that size.
 *
 * @param {Rectangle} rectangle
 * @param {{width: number, height: number}} page
 */
export const withinReach = ({ x, y, width }, page) => ({
  x: Math.min(page.width - 80, Math.max(80 - width, x)),
  y: Math.min(page.height - 48, Math.max(0, y)),
});

/**
 * Return the layout without the oldest of the views that are not open, where there are more than are kept.
 *
 * @param {Part} root
 * @param {Set<string>} open
 * @returns {Part}
 */
export function bounded(root, open) {
  const all = panesOf(root).flatMap(({ tabs }) => tabs);
  const gone = all.filter((name) => !open.has(name)).slice(0, Math.max(0, all.length - MAX_TABS));
  // A pane that is none of the layout's takes the view, and is thrown away.
  return gone.reduce((layout, name) => place(layout, name, paneOf()), root);
}
