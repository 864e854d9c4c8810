// What the browser remembers between visits.

import assert from "node:assert/strict";
import { test } from "node:test";

const kept = new Map();
Object.assign(globalThis, {
  location: { href: "http://127.0.0.1:9000/", origin: "http://127.0.0.1:9000", search: "", hash: "" },
  localStorage: {
    getItem: (/** @type {string} */ key) => kept.get(key) ?? null,
    setItem: (/** @type {string} */ key, /** @type {string} */ value) => kept.set(key, value),
    removeItem: (/** @type {string} */ key) => kept.delete(key),
  },
});
const { fileOf, forgetFiles, moveFiles, rememberFile, rememberMigrated, rememberWorkspace, wasMigrated } = await import(
  "#page/app/model/storage.js"
);

const file = { path: "Foo.imjoy.html", isWatched: true };

test("a plugin's file is that of its workspace, not of another one's plugin of that name", () => {
  rememberFile("default", "Foo", file);
  assert.deepEqual([fileOf("default", "Foo"), fileOf("cells", "Foo")], [file, null]);
  rememberFile("cells", "Foo", { ...file, isWatched: false });
  rememberFile("default", "Foo", null);
  assert.deepEqual([fileOf("default", "Foo"), fileOf("cells", "Foo")], [null, { ...file, isWatched: false }]);
});

test("the files of a workspace go with its new name, and in the place of those of one that had it", () => {
  rememberFile("first", "Foo", file);
  rememberFile("second", "Bar", file);
  moveFiles("first", "second");
  assert.deepEqual([fileOf("first", "Foo"), fileOf("second", "Foo"), fileOf("second", "Bar")], [null, file, null]);
  forgetFiles("second");
  assert.equal(fileOf("second", "Foo"), null);
});

test("a plugin is handed over once, also where that was interrupted", () => {
  kept.clear();
  rememberWorkspace("cells");
  rememberWorkspace("default");
  assert.deepEqual([wasMigrated("Foo"), wasMigrated("Bar")], [false, false]);
  rememberMigrated("Foo");
  rememberWorkspace("default");
  assert.deepEqual([wasMigrated("Foo"), wasMigrated("Bar")], [true, false]);
});

test("what a version without notes handed over, and a person has removed since, is not handed over again", () => {
  kept.clear();
  kept.set("imjoy.workspace", "default");
  rememberWorkspace("default");
  assert.equal(wasMigrated("Foo"), true);
});
