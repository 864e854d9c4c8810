// The forms that plugins describe.

import assert from "node:assert/strict";
import { test } from "node:test";

const { parseFields, readLiteral } = await import("#page/app/plugins/fields.js");

/** @param {Parameters<typeof parseFields>[0]} form */
const fieldsOf = (form) =>
  parseFields(form).map(({ field }) => {
    assert.ok(field);
    return field;
  });

test("the text before a field is its label", () => {
  const [field] = fieldsOf({ ui: "Sigma: {id: 'sigma', type: 'number', placeholder: 1.5, min: 0}" });
  assert.deepEqual([field.label, field.kind, field.initial, field.min], ["Sigma", "number", 1.5, 0]);
});

test("a choice keeps its options and begins with the first", () => {
  const [field] = fieldsOf({ ui: ['Kind {id: "kind", type: "choose", options: ["round", "square"]}'] });
  assert.deepEqual(
    field.options.map((/** @type {{label: string}} */ { label }) => label),
    ["round", "square"],
  );
  assert.equal(field.initial, "round");
});

test("text around fields stays where it stands", () => {
  const parts = parseFields({
    ui: "First read this\nA {id: 'a', type: 'string'} then B {id: 'b', type: 'boolean'} done",
  });
  const words = parts.map(({ text, field }) => text || field?.label);
  assert.deepEqual(words, ["First read this", "A", "then B", "done"]);
});

test("braces that are no field are text, and nothing is evaluated", () => {
  const text = "a set {1, 2} and {alert(1)}";
  assert.deepEqual(parseFields({ ui: text }), [{ text }]);
});

test("a JSON schema becomes fields", () => {
  const schema = {
    properties: { n: { type: "integer", minimum: 1, default: 3 }, on: { type: "boolean" } },
    required: ["n"],
  };
  const shapes = fieldsOf({ schema }).map(({ id, kind, step, required }) => [id, kind, step, required]);
  assert.deepEqual(shapes, [
    ["n", "number", 1, true],
    ["on", "checkbox", "any", false],
  ]);
});

test("a literal is read to its end, with names, strings and numbers as people write them", () => {
  const text = `see {id: 'a', "b": [1, -2.5e3, true, null], c: "it\\"s", } rest`;
  const read = readLiteral(text, 4);
  assert.deepEqual(read?.value, { id: "a", b: [1, -2500, true, null], c: 'it"s' });
  assert.equal(text.slice(read.end), " rest");
});

for (const text of ["{id: }", "{id 1}", "{", "[1", "{id: f(1)}", "{id: `x`}"]) {
  test(`${text} is no literal`, () => assert.equal(readLiteral(text, 0), null));
}

test("a key that the language knows is a key like others", () => {
  const value = readLiteral("{__proto__: 1}", 0)?.value;
  assert.deepEqual(Object.entries(value), [["__proto__", 1]]);
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
});
