// The frame that shows a plugin's HTML: what comes before that.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const page = readFileSync(new URL(`${process.env.STATIC}/html-frame.html`), "utf8");
const [, script] = /<script>([^]*?)<\/script>/.exec(page);

/** What is shown for a plugin's HTML: what is before our script, and what is after it. */
function shown(html) {
  let frame;
  const window = { parent: {}, addEventListener: (_, listener) => (window.heard = listener) };
  const document = { createElement: () => ({}), body: { append: (made) => (frame = made) } };
  new Function("window", "document", script)(window, document);
  window.heard({ source: window.parent, data: { html } });
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
