// What a plugin returned, as something to show.

import assert from "node:assert/strict";
import { test } from "node:test";

const { asArray, describe } = await import("#page/app/results/values.js");

/** @param {string} dtype @param {number[]} shape @param {ArrayBufferView<ArrayBuffer>} values */
const ndarray = (dtype, shape, values) => ({
  _rtype: "ndarray",
  _rdtype: dtype,
  _rshape: shape,
  _rvalue: values.buffer,
});

/** @typedef {import("#page/app/results/values.js").Description} Description */
/** @template T @template K @typedef {T extends {kind: infer Kinds} ? (K extends Kinds ? T : never) : never} OfKind */

/**
 * The description, which has to be of that kind.
 *
 * @template {Description["kind"]} K
 * @param {Description} found
 * @param {K} kind
 */
function ofKind(found, kind) {
  assert.equal(found.kind, kind);
  return /** @type {OfKind<Description, K>} */ (found);
}

test("nothing and plain values", () => {
  for (const nothing of [null, undefined]) assert.deepEqual(describe(nothing), { kind: "none" });
  for (const value of ["", "a", 0, 1.5, false]) {
    assert.deepEqual(describe(value), { kind: "text", text: String(value) });
  }
});

test("an array is described by type, shape and its first values", () => {
  const found = ofKind(describe(ndarray("uint8", [2, 3], Uint8Array.of(0, 1, 2, 3, 4, 255))), "array");
  assert.deepEqual([found.dtype, found.shape], ["uint8", [2, 3]]);
  assert.equal(found.text, "0  1  2\n3  4  255");
});

test("of a large array the beginning is shown, and that there is more", () => {
  const { text } = ofKind(describe(ndarray("uint16", [20, 30], new Uint16Array(600))), "array");
  const lines = text.split("\n");
  assert.equal(lines.length, 9);
  assert.ok(lines.slice(0, 8).every((line) => line === `${Array(12).fill("0").join("  ")}  …`));
  assert.equal(lines[8], "…");
});

for (const [dtype, values] of /** @type {[string, ArrayBufferView<ArrayBuffer>][]} */ ([
  ["int64", BigInt64Array.of(-1n, 2n ** 62n)],
  ["float64", Float64Array.of(0.5, NaN)],
  ["bool", Uint8Array.of(1, 0)],
])) {
  test(`items of ${dtype} are those that were sent`, () => {
    assert.deepEqual(asArray(ndarray(dtype, [2], values))?.items, values);
  });
}

test("items of a type that is unknown here, or too few bytes, are not made up", () => {
  assert.equal(asArray(ndarray("complex128", [1], new Float64Array(2)))?.items, null);
  assert.equal(asArray(ndarray("uint16", [1], new Uint8Array(3)))?.items, null);
});

test("a record of a few values has a row for each; what it says of its pictures is told on", () => {
  const image = ndarray("uint8", [4, 4], new Uint8Array(16));
  const found = ofKind(describe({ image, pixel_size: [0.5, 0.1], unit: "µm", axes: "YX", _own: 1 }), "record");
  assert.deepEqual(
    found.rows.map(({ name }) => name),
    ["image", "pixel_size", "unit", "axes"],
  );
  assert.deepEqual(ofKind(found.rows[0].value, "array").hints, { pixelSize: 0.1, unit: "µm", axes: "YX" });
});

test("anything deeper is a summary in which arrays are named, not printed", () => {
  const found = describe({ a: { b: { c: ndarray("uint8", [2], new Uint8Array(2)), run() {} } } });
  const [{ value }] = ofKind(found, "record").rows;
  const [inner] = ofKind(value, "record").rows;
  assert.deepEqual(JSON.parse(ofKind(inner.value, "data").text), { c: "(array uint8 2)", run: "(a function)" });
});
