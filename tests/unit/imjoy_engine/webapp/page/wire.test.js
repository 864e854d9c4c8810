// The wire's page half; tests/unit/imjoy_engine/worker/transport/test_wire_vectors.py holds the engine's half to the same bytes.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { runInThisContext } from "node:vm";

// A classic script, which sets a global where it finds no module system.
runInThisContext(readFileSync(String(process.env.MSGPACK), "utf-8"));
const { cut, FRAME_BYTES, pack, Reader } = await import("#page/engine/wire.js");

const VECTORS = JSON.parse(readFileSync(new URL("wire_vectors.json", import.meta.url), "utf-8"));

/**
 * A message of the vectors, with its binary values: `$bytes` is how many, and the first, from which they count up.
 *
 * @param {any} value
 * @returns {any}
 */
function made(value) {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(made);
  if (!value.$bytes) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, made(item)]));
  const [length, first] = value.$bytes;
  return Uint8Array.from({ length }, (_, i) => first + i).buffer;
}

/** @param {Uint8Array<ArrayBuffer>} frame */
const copied = (frame) => frame.slice().buffer;

/** @param {unknown} message */
async function framesOf(message) {
  return Array.from(cut(await pack(message), new Uint8Array(FRAME_BYTES)), copied);
}

/** @param {ArrayBuffer} frame @param {{hex?: string}} wanted `hex` where the vectors have every byte */
function shown(frame, { hex }) {
  const bytes = Buffer.from(frame);
  if (hex !== undefined) return { hex: bytes.toString("hex") };
  return { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}

for (const { title, message, frames } of VECTORS.messages) {
  test(`the page writes what the engine writes: ${title}`, async () => {
    const written = await framesOf(made(message));
    assert.deepEqual(
      written.map((frame, i) => shown(frame, frames[i] || {})),
      frames,
    );
  });

  test(`the page reads what it wrote: ${title}`, async () => {
    const reader = new Reader();
    const read = (await framesOf(made(message))).map((frame) => reader.push(frame));
    assert.deepEqual(read.pop(), made(message));
    assert.ok(read.every((each) => each === undefined));
  });
}

for (const { title, frames } of VECTORS.refused) {
  test(`the page refuses a message that is ${title}`, () => {
    const reader = new Reader();
    const bytes = frames.map((/** @type {string} */ hex) => Uint8Array.from(Buffer.from(hex, "hex")).buffer);
    assert.throws(() => bytes.forEach((/** @type {ArrayBuffer} */ frame) => reader.push(frame)));
  });
}

test("a part of an array is sent without the rest of its buffer", async () => {
  const all = new Uint8Array(10_000).map((_, i) => i);
  for (const part of [all.subarray(3, 9), all.subarray(100, 9000)]) {
    const reader = new Reader();
    const [{ part: read }] = (await framesOf({ part })).map((frame) => reader.push(frame)).slice(-1);
    assert.deepEqual(new Uint8Array(read), part.slice());
  }
});

test("a file is sent as what is in it", async () => {
  const content = new Uint8Array(5000).fill(7);
  const reader = new Reader();
  const [message] = (await framesOf({ file: new Blob([content]) })).map((frame) => reader.push(frame)).slice(-1);
  assert.deepEqual(new Uint8Array(message.file), content);
});

test("one reader reads one message after the other", async () => {
  const reader = new Reader();
  for (const { message } of VECTORS.messages) {
    const read = (await framesOf(made(message))).map((frame) => reader.push(frame));
    assert.deepEqual(read.pop(), made(message));
  }
});
