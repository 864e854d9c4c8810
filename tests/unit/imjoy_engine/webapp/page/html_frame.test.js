// The frame that shows a plugin's HTML: what comes before that.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const page = readFileSync(new URL(import.meta.resolve("#page/html-frame.html")), "utf8");
const script = /<script>([^]*?)<\/script>/.exec(page)?.[1] || "";

/**
 * What is shown for a plugin's HTML: what is before our script, and what is after it.
 *
 * @param {string} html
 */
function shown(html) {
  const frame = { srcdoc: "" };
  /** @type {((message: object) => void)[]} */
  const listeners = [];
  const window = {
    parent: {},
    addEventListener: (/** @type {string} */ _, /** @type {(message: object) => void} */ listener) =>
      listeners.push(listener),
  };
  const document = { createElement: () => frame, body: { append() {} } };
  new Function("window", "document", script)(window, document);
  listeners.forEach((listener) => listener({ source: window.parent, data: { html } }));
  const [before, rest] = frame.srcdoc.split("<script>(function tell");
  return { before, after: rest.slice(rest.indexOf("</script>") + "</script>".length) };
}

for (const [html, before] of [
  ["<p>a</p>", ""],
  [" \n<!DOCTYPE html><p>a</p>", "<!DOCTYPE html>"],
  ["<!-- a --><!-- <b> -->\n<!doctype html><p>a</p>", "<!doctype html>"],
  ["<p>a</p><!doctype html>", ""],
  ["<!-- a <!doctype html>", ""],
  // The comment ends at once, and a script is in what looks like one.
  ["<!--><script>first()</script>--><!doctype html>", "<!doctype html>"],
]) {
  test(`before our script is nothing but the doctype: ${JSON.stringify(html)}`, () => {
    assert.deepEqual(shown(html), { before, after: html });
  });
}

test("comments without a doctype are passed over at once", () => {
  const html = "<!-- a -->".repeat(10_000);
  assert.deepEqual(shown(html), { before: "", after: html });
});
