// Where views lie.

import assert from "node:assert/strict";
import { test } from "node:test";

const { arrange, bounded, paneOf, panesOf, paneWith, place, readFloats, readLayout, targetAt, withinReach } =
  await import("#page/app/layout/layout.js");

/** @typedef {import("#page/app/layout/layout.js").Part} Part */

/** @param {string[]} names */
const open = (...names) => new Set(names);
const beside = () => {
  const root = paneOf("output", "log", "a");
  const parted = place(root, "a", root, "right");
  assert.ok("share" in parted);
  return parted;
};
/** @param {Part} root @param {string} name */
const paneOfView = (root, name) => {
  const pane = paneWith(root, name);
  assert.ok(pane);
  return pane;
};
/** @param {Part} root */
const lastPane = (root) => panesOf(root).slice(-1)[0];
/** @param {Part} root @param {string[]} names */
const shown = (root, ...names) => arrange(root, open(...names)).panes.map((pane) => pane.shown);

test("a view at a side gets half of its pane, whose other views stay", () => {
  const { panes, splitters } = arrange(beside(), open("output", "log", "a"));
  assert.deepEqual(
    panes.map(({ x, width, height, tabs }) => ({ x, width, height, tabs })),
    [
      { x: 0, width: 0.5, height: 1, tabs: ["output", "log"] },
      { x: 0.5, width: 0.5, height: 1, tabs: ["a"] },
    ],
  );
  assert.deepEqual(
    splitters.map(({ x, length }) => ({ x, length })),
    [{ x: 0.5, length: 1 }],
  );
});

test("what is closed takes no room and keeps its place", () => {
  const root = beside();
  const [whole] = arrange(root, open("output", "log")).panes;
  assert.deepEqual([whole.width, whole.tabs], [1, ["output", "log"]]);
  assert.deepEqual(shown(root, "output", "log", "a"), ["output", "a"]);
});

test("a pane whose last view moves away goes", () => {
  const root = beside();
  const moved = place(root, "a", paneOfView(root, "log"));
  assert.deepEqual(moved, { tabs: ["output", "log", "a"], shown: "a" });
});

test("what is shown in the place of a view that goes is the one before it", () => {
  const root = { tabs: ["output", "log", "a", "b"], shown: "a" };
  assert.deepEqual(shown(root, "output", "log", "b"), ["log"]);
  assert.deepEqual(shown(place(root, "a", root, "right"), "output", "log", "a", "b"), ["log", "a"]);
});

test("the only view of a pane is not parted from itself", () => {
  const root = paneOf("output");
  assert.deepEqual(place(root, "output", root, "top"), paneOf("output"));
});

test("borders within borders follow the shares", () => {
  const root = beside();
  root.share = 0.25;
  const below = place(root, "log", paneOfView(root, "log"), "bottom");
  const { panes, splitters } = arrange(below, open("output", "log", "a"));
  assert.deepEqual(
    panes.map(({ x, y, width, height }) => [x, y, width, height]),
    [
      [0, 0, 0.25, 0.5],
      [0, 0.5, 0.25, 0.5],
      [0.25, 0, 0.75, 1],
    ],
  );
  assert.deepEqual(
    splitters.map(({ x, y, length, split }) => [x, y, length, split.across]),
    [
      [0.25, 0, 1, true],
      [0, 0.5, 0.25, false],
    ],
  );
});

test("a tab falls to the side that it is dropped near, else into the pane", () => {
  const { panes } = arrange(beside(), open("output", "log", "a"));
  /** @param {number} x @param {number} y */
  const at = (x, y) => {
    const target = targetAt(panes, x, y);
    return [target?.pane.tabs[0], target?.side];
  };
  assert.deepEqual(at(0.25, 0.5), ["output", "middle"]);
  assert.deepEqual(at(0.02, 0.5), ["output", "left"]);
  assert.deepEqual(at(0.98, 0.5), ["a", "right"]);
  assert.deepEqual(at(0.75, 0.05), ["a", "top"]);
  assert.deepEqual(at(0.75, 0.95), ["a", "bottom"]);
  assert.equal(targetAt(panes, 1.5, 0.5), null);
});

test("a layout is read back as it was kept, and what is none is refused", () => {
  const root = beside();
  assert.deepEqual(readLayout(JSON.parse(JSON.stringify(root))), root);
  /** @type {Part} */
  let deep = paneOf("output");
  for (let depth = 0; depth < 40; depth++) deep = { across: true, share: 0.5, parts: [deep, paneOf(`a${depth}`)] };
  for (const kept of [null, 7, {}, { tabs: 3 }, { tabs: [] }, { parts: [paneOf("a")] }, deep]) {
    assert.equal(readLayout(kept), null);
  }
});

test("a view that is in two panes is read into one, and a border stays within reach", () => {
  const kept = { across: true, share: 7, parts: [paneOf("output", "log"), { tabs: ["log", 5, "a"], shown: "gone" }] };
  assert.deepEqual(readLayout(kept), { across: true, share: 0.9, parts: [paneOf("output", "log"), paneOf("a")] });
});

test("of the views that are closed only so many keep a place", () => {
  /** @type {Part} */
  let root = paneOf("output");
  for (let number = 0; number < 100; number++) {
    root = bounded(place(root, `a${number}`, panesOf(root)[0]), open("output", `a${number}`));
  }
  const { tabs } = panesOf(root)[0];
  assert.equal(tabs.length, 64);
  assert.ok(tabs.includes("output") && tabs.includes("a99") && !tabs.includes("a0"));
});

test("what can be arranged is read back, however often panes were parted and windows opened", () => {
  /** @type {Part} */
  let root = paneOf("output", "log");
  for (let number = 0; number < 20; number++) {
    root = place(root, `a${number}`, lastPane(root), "middle");
    root = place(root, `a${number}`, lastPane(root), "right");
  }
  assert.deepEqual(readLayout(root), root);
  const names = Array.from({ length: 72 }, (_, number) => `a${number}`);
  assert.deepEqual(readLayout(paneOf(...names)), paneOf(...names.slice(0, 64)));
});

test("of floats that were kept only rectangles are read, and they are brought within reach", () => {
  const rectangle = { x: 3000, y: -5, width: 400, height: 300 };
  assert.deepEqual(readFloats({ a: null, b: 7, c: { ...rectangle, x: "1" }, d: { ...rectangle, order: 3 } }), [
    ["d", rectangle],
  ]);
  for (const kept of [null, undefined, 7, "no", []]) assert.deepEqual(readFloats(kept), []);
  assert.deepEqual(withinReach(rectangle, { width: 1280, height: 720 }), { x: 1200, y: 0 });
});
