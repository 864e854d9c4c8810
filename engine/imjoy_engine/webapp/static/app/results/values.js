// What a plugin returned, as something to show.

import { pictureOf } from "../images/picture.js";
import { tableOf } from "./tables.js";

const ITEMS_SHOWN = 64;
const DEPTH_SHOWN = 6;
const RECORD_ROWS = 24;
const RECORD_DEPTH = 2;
/** Text that is a page, or an element with all that is in it, as `_repr_html_` and plotting libraries write it. */
const HTML =
  /^\s*<(!doctype html|html|body|div|p|table|section|article|figure|style|details|ul|ol|h[1-6])\b[^]*<\/\w+>\s*$/i;
/** @type {Record<string, {new (buffer: ArrayBuffer): Items, BYTES_PER_ELEMENT: number}>} */
const ARRAY_TYPES = {
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
};

/** @typedef {{dtype: string, shape: number[], items: Items | null}} Found an array; `items` is null for types unknown here */
/**
 * @typedef {{kind: "none"} | {kind: "text" | "html" | "markdown" | "data", text: string} | {kind: "drawing", drawing: Blob}
 *   | (Found & {kind: "array", hints: Hints, isPicture: boolean, text: string})
 *   | {kind: "table", table: import("./tables.js").Table}
 *   | {kind: "record", rows: {name: string, value: Description}[]}} Description
 */

/**
 * Describe a value so that it can be shown.
 *
 * @param {any} value
 * @param {number} [depth] in how many records it is
 * @param {Hints} [hints] what a record says of the arrays in it
 * @returns {Description}
 */
export function describe(value, depth = 0, hints = {}) {
  if (value === null || value === undefined) return { kind: "none" };
  const drawing = asDrawing(value);
  if (drawing) return { kind: "drawing", drawing };
  if (typeof value === "string" && HTML.test(value)) return { kind: "html", text: value };
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
    return { kind: "text", text: String(value) };
  }
  const array = asArray(value);
  if (array) {
    return { kind: "array", ...array, hints, isPicture: pictureOf(array, hints) !== null, text: preview(array) };
  }
  const table = tableOf(value);
  if (table) return { kind: "table", table };
  const names = Object.keys(value).filter((name) => !name.startsWith("_"));
  if (value.constructor === Object && depth < RECORD_DEPTH && names.length > 0 && names.length <= RECORD_ROWS) {
    const inherited = { ...hints, ...hintsOf(value) };
    /** @param {string} name @returns {Description} */
    const row = (name) =>
      name === "markdown" && typeof value[name] === "string"
        ? { kind: "markdown", text: value[name] }
        : describe(value[name], depth + 1, inherited);
    return { kind: "record", rows: names.map((name) => ({ name, value: row(name) })) };
  }
  return { kind: "data", text: JSON.stringify(summary(value, 0), null, 2) };
}

/**
 * A drawing as a file of an image's type: of a matplotlib figure, another such file, or the text of an SVG; else null.
 *
 * @param {any} value
 */
function asDrawing(value) {
  if (typeof value === "string" && /^\s*(<\?xml[^>]*>\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg[\s>]/i.test(value)) {
    const isNamed = /<svg[^>]*\sxmlns=/i.test(value);
    const text = isNamed ? value : value.replace(/<svg/i, '<svg xmlns="http://www.w3.org/2000/svg"');
    return new Blob([text], { type: "image/svg+xml" });
  }
  const file = value._rtype === "blob" ? new Blob([value._rvalue], { type: value._rmime }) : value;
  return file instanceof Blob && file.type.startsWith("image/") ? file : null;
}

/**
 * What a record says of its pictures: `pixel_size` (a number, or one for each axis, the last is x), `unit`, `axes`.
 *
 * @param {Record<string, any>} record
 * @returns {Hints}
 */
function hintsOf({ pixel_size: size, unit, axes }) {
  const pixelSize = Number(Array.isArray(size) ? size.at(-1) : size);
  return {
    ...(pixelSize > 0 ? { pixelSize, unit: typeof unit === "string" ? unit : "" } : {}),
    ...(typeof axes === "string" ? { axes } : {}),
  };
}

/**
 * Return what an ndarray or a typed array holds, else null.
 *
 * @param {any} value
 * @returns {Found | null}
 */
export function asArray(value) {
  if (value instanceof ArrayBuffer) return { dtype: "bytes", shape: [value.byteLength], items: new Uint8Array(value) };
  if (isItems(value)) {
    return { dtype: value.constructor.name.replace("Array", "").toLowerCase(), shape: [value.length], items: value };
  }
  if (!value || value._rtype !== "ndarray") return null;
  const Type = ARRAY_TYPES[value._rdtype];
  const buffer = value._rvalue instanceof ArrayBuffer ? value._rvalue : value._rvalue?.buffer;
  const fits = Type && buffer && buffer.byteLength % Type.BYTES_PER_ELEMENT === 0;
  return { dtype: value._rdtype, shape: [...value._rshape], items: fits ? new Type(buffer) : null };
}

/** @param {unknown} value @returns {value is Items} */
const isItems = (value) => ArrayBuffer.isView(value) && !(value instanceof DataView);

/** @param {Found} array */
function preview({ items, shape }) {
  if (!items) return "";
  const row = shape.length > 1 ? shape[shape.length - 1] : items.length;
  const columns = Math.min(row, 12);
  const rows = Math.min(Math.ceil(items.length / Math.max(row, 1)), 8);
  const lines = [];
  for (let r = 0; r < rows; r++) {
    const cells = [...items.slice(r * row, r * row + columns)].map(short);
    lines.push(cells.join("  ") + (columns < row ? "  …" : ""));
  }
  if (rows * row < items.length) lines.push("…");
  return lines.join("\n");
}

/** @param {number | bigint} number */
function short(number) {
  if (typeof number === "bigint" || Number.isInteger(number)) return String(number);
  return String(Number(number.toPrecision(5)));
}

/** @param {any} value @param {number} depth @returns {any} what JSON can hold */
function summary(value, depth) {
  if (typeof value === "function") return "(a function)";
  if (typeof value === "bigint") return String(value);
  if (value === null || typeof value !== "object") return value;
  const array = asArray(value);
  if (array) return `(array ${array.dtype} ${array.shape.join(" × ")})`;
  if (depth >= DEPTH_SHOWN) return "…";
  if (value instanceof Map) return summary(Object.fromEntries(value), depth);
  if (value instanceof Set) return summary([...value], depth);
  if (value instanceof Error) return value.message;
  if (Array.isArray(value)) {
    const items = value.slice(0, ITEMS_SHOWN).map((item) => summary(item, depth + 1));
    return value.length > ITEMS_SHOWN ? [...items, `… ${value.length - ITEMS_SHOWN} more`] : items;
  }
  const keys = Object.keys(value).filter((key) => !key.startsWith("_"));
  return Object.fromEntries(keys.map((key) => [key, summary(value[key], depth + 1)]));
}
