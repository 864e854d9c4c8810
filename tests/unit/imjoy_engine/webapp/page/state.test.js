// What the page shows: its dialogs, its log.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

/** @param {unknown} value */
const itself = (value) => value;
Object.assign(globalThis, {
  Vue: { reactive: itself, markRaw: itself },
  location: { href: "http://127.0.0.1:9000/", origin: "http://127.0.0.1:9000", search: "", hash: "" },
  localStorage: { getItem: () => null },
});
const { addLog, ask, clearLog, state, writeLog } = await import("#page/app/model/state.js");

beforeEach(clearLog);

test("a dialog that is answered twice, as by a double click, takes no other with it", async () => {
  const first = ask("confirm", { title: "First?", text: "" });
  const second = ask("confirm", { title: "Second?", text: "" });
  const [, { done }] = state.dialogs;
  done(true);
  done(false);
  assert.equal(await second, true);
  assert.deepEqual(
    state.dialogs.map(({ title }) => title),
    ["First?"],
  );
  state.dialogs[0].done(null);
  assert.equal(await first, null);
  assert.deepEqual(state.dialogs, []);
});

test("a line goes on until it ends, and a carriage return begins it anew", () => {
  for (const piece of ["1 %", "\r50 %", "\r", "done\nnext"]) writeLog("Blur", "stdout", piece, 1);
  assert.deepEqual(
    state.log.map(({ text }) => text),
    ["done", "next"],
  );
});

test("what the engine says of a plugin is a line of its own, also after one without an end", () => {
  writeLog("Blur", "engine", "half a line", 1);
  addLog("Blur", "engine", "whole");
  writeLog("Blur", "engine", "and on\n", 1);
  assert.deepEqual(
    state.log.map(({ text }) => text),
    ["half a line", "whole", "and on"],
  );
});
