// What a plugin returned, as something to show: {kind: "none" | "text" | "array" | "record" | "data", …}.

const ITEMS_SHOWN = 64;
const DEPTH_SHOWN = 6;
const RECORD_ROWS = 24;
const RECORD_DEPTH = 2;
const IMAGE_SIDE = 2048;
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

export function describe(value, depth = 0) {
  if (value === null || value === undefined) return { kind: "none" };
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
    return { kind: "text", text: String(value) };
  }
  const array = asArray(value);
  if (array) return { kind: "array", ...array, text: preview(array) };
  const names = Object.keys(value).filter((name) => !name.startsWith("_"));
  if (value.constructor === Object && depth < RECORD_DEPTH && names.length > 0 && names.length <= RECORD_ROWS) {
    return { kind: "record", rows: names.map((name) => ({ name, value: describe(value[name], depth + 1) })) };
  }
  return { kind: "data", text: JSON.stringify(summary(value, 0), null, 2) };
}

/** Return {dtype, shape, items} of an ndarray or typed array, else null. `items` is null for types unknown here. */
export function asArray(value) {
  if (value instanceof ArrayBuffer) return { dtype: "bytes", shape: [value.byteLength], items: new Uint8Array(value) };
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    return { dtype: value.constructor.name.replace("Array", "").toLowerCase(), shape: [value.length], items: value };
  }
  if (!value || value._rtype !== "ndarray") return null;
  const Type = ARRAY_TYPES[value._rdtype];
  const buffer = value._rvalue instanceof ArrayBuffer ? value._rvalue : value._rvalue?.buffer;
  const fits = Type && buffer && buffer.byteLength % Type.BYTES_PER_ELEMENT === 0;
  return { dtype: value._rdtype, shape: [...value._rshape], items: fits ? new Type(buffer) : null };
}

function preview({ items, shape }) {
  if (!items) return "";
  const row = shape.length > 1 ? shape[shape.length - 1] : items.length;
  const columns = Math.min(row, 12);
  const rows = Math.min(Math.ceil(items.length / Math.max(row, 1)), 8);
  const lines = [];
  for (let r = 0; r < rows; r++) {
    const cells = Array.from(items.slice(r * row, r * row + columns), short);
    lines.push(cells.join("  ") + (columns < row ? "  …" : ""));
  }
  if (rows * row < items.length) lines.push("…");
  return lines.join("\n");
}

function short(number) {
  if (typeof number === "bigint" || Number.isInteger(number)) return String(number);
  return String(Number(number.toPrecision(5)));
}

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

/** Whether `draw` can show the array as a picture: 8 bits, grey, RGB or RGBA. */
export function isPicture({ dtype, shape, items }) {
  const [height, width, channels] = shape;
  return (
    dtype === "uint8" &&
    Boolean(items) &&
    (shape.length === 2 || (shape.length === 3 && [1, 3, 4].includes(channels))) &&
    height >= 8 &&
    width >= 8 &&
    height <= IMAGE_SIDE &&
    width <= IMAGE_SIDE
  );
}

export function draw(canvas, { shape: [height, width, channels = 1], items }) {
  canvas.width = width;
  canvas.height = height;
  const picture = new ImageData(width, height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const from = pixel * channels;
    const grey = channels === 1;
    picture.data[4 * pixel] = items[from];
    picture.data[4 * pixel + 1] = items[grey ? from : from + 1];
    picture.data[4 * pixel + 2] = items[grey ? from : from + 2];
    picture.data[4 * pixel + 3] = channels === 4 ? items[from + 3] : 255;
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
}
