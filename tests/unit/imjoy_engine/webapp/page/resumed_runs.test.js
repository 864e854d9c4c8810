// What a page says of the runs of the one before it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { beforeEach, test } from "node:test";
import { runInThisContext } from "node:vm";

/** @param {unknown} value */
const itself = (value) => value;
/** @param {string} name @param {boolean} lost */
const runsOf = (name, lost) => ({
  name,
  engineId: `id of ${name}`,
  lost,
  held: [{ call: `of ${name}`, begun: 1 }],
  status: "at it",
  percent: 40,
});
const before = [
  runsOf("Resumed", false),
  runsOf("Partly", true),
  runsOf("Elsewhere", true),
  runsOf("Gone", true),
  runsOf("Missed", false),
  runsOf("Died", false),
  runsOf("Left", false),
  runsOf("Large", false),
];

runInThisContext(readFileSync(String(process.env.MSGPACK), "utf-8"));
Object.assign(globalThis, {
  imjoyRPC: {},
  Vue: { reactive: itself, markRaw: itself },
  location: { href: "http://127.0.0.1:9000/", origin: "http://127.0.0.1:9000", search: "", hash: "" },
  localStorage: { getItem: () => null },
  sessionStorage: { getItem: () => JSON.stringify(before), setItem() {} },
});
const { state } = await import("#page/app/model/state.js");
const { callsBefore, findRuns, putBack, tellLostRuns } = await import("#page/app/core/resumed_runs.js");

beforeEach(() => {
  state.output.splice(0);
  state.log.splice(0);
});

/** The engine of the tests' plugins, of which one died. */
const client = /** @type {import("#page/engine/client.js").EngineClient} */ (
  /** @type {unknown} */ ({
    ended: async (/** @type {string} */ id) =>
      id === "id of Died" ? { error: { id: "plugin.died", what: "Died ended with exit code 3.", output: "x" } } : null,
  })
);

/**
 * The card of a plugin that begins, as the engine answers.
 *
 * @param {string} name
 * @param {Partial<PluginRecord>} answer
 */
function begun(name, answer) {
  assert.deepEqual(callsBefore(name), [`of ${name}`]);
  const card = /** @type {Card} */ (/** @type {unknown} */ ({ name, runs: 0, held: [] }));
  findRuns(card, answer, client);
  assert.deepEqual(callsBefore(name), []);
  return card;
}
const settled = () => new Promise((resolve) => setImmediate(resolve));
const told = () => state.output.map(({ error }) => error?.what);

test("a run that goes on is shown as it was", () => {
  const { held, runs, status, percent } = begun("Resumed", { resumed: true });
  assert.deepEqual([held.length, runs, status, percent, told()], [1, 1, "at it", 40, []]);
});

test("one that came to nothing as it was to be taken over is looked for once more, and named", async () => {
  const card = begun("Missed", { resumed: true });
  putBack(card);
  assert.deepEqual([card.held, card.runs, callsBefore("Missed")], [[], 0, ["of Missed"]]);
  findRuns(card, {});
  await settled();
  assert.deepEqual([told(), card.runs], [["The run of Missed ended when this page was reloaded."], 0]);
});

test("one that did not go on beside one that did is named", () => {
  assert.equal(begun("Partly", { resumed: true }).runs, 1);
  assert.deepEqual(told(), ["The run of Partly ended when this page was reloaded."]);
});

test("one that is another tab's is neither shown nor said to have ended", () => {
  assert.equal(begun("Elsewhere", { elsewhere: true }).runs, 0);
  assert.deepEqual(told(), []);
  assert.match(state.log[0].text, /goes on there/);
});

test("one of which the engine knows why it ended is told so at once", () => {
  const lost = { id: "message.too-big", what: "A message of Large was larger than the engine allows." };
  assert.equal(begun("Large", { attached: true, lost }).runs, 0);
  assert.deepEqual(told(), [lost.what]);
});

test("runs that have gone are named once", async () => {
  begun("Gone", {});
  tellLostRuns();
  await settled();
  assert.deepEqual(told(), ["The run of Gone ended when this page was reloaded."]);
});

test("one whose plugin died is told what of, and one that the engine does not know that it ended", async () => {
  begun("Died", {});
  await settled();
  const [{ error }] = state.output;
  assert.deepEqual([error?.what, error?.output], ["Died ended with exit code 3.", "x"]);
  begun("Left", {});
  await settled();
  assert.equal(told()[0], "The run of Left ended when this page was reloaded.");
});
