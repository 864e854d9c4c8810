// Arrays as files: .npy and TIFF, each with the array's own type.

/** @type {Record<string, string>} */
const NPY_TYPES = {
  bool: "|b1",
  int8: "|i1",
  uint8: "|u1",
  int16: "<i2",
  uint16: "<u2",
  int32: "<i4",
  uint32: "<u4",
  int64: "<i8",
  uint64: "<u8",
  float32: "<f4",
  float64: "<f8",
};
const NPY_MAGIC = [0x93, ...[..."NUMPY"].map((letter) => letter.charCodeAt(0))];
/** @type {Record<string, new (buffer: ArrayBuffer, offset: number, length: number) => Items>} */
const ARRAYS = {
  bool: Uint8Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
};
const TIFF_MAX_BYTES = 2 ** 32 - 2 ** 20;

/** @param {Items} items @returns {Uint8Array<ArrayBuffer>} */
const bytesOf = (items) => new Uint8Array(items.buffer, items.byteOffset, items.byteLength);

/**
 * An array as the parts of a .npy file (its format 1.0).
 *
 * @param {TypedArrayOf} array
 */
export function toNpy({ dtype, shape, items }) {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const text = `{'descr': '${NPY_TYPES[dtype]}', 'fortran_order': False, 'shape': ${tuple}, }`;
  // The data begins at a multiple of 64.
  const padded = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const head = new Uint8Array(10 + padded.length);
  head.set([...NPY_MAGIC, 1, 0, padded.length & 255, padded.length >> 8]);
  head.set(new TextEncoder().encode(padded), 10);
  return [head, bytesOf(items)];
}

/**
 * The array in a .npy file. Throws an Error that says what is in the way.
 *
 * @param {ArrayBuffer} buffer
 * @returns {TypedArrayOf}
 */
export function fromNpy(buffer) {
  const bytes = new Uint8Array(buffer);
  if (NPY_MAGIC.some((byte, index) => bytes[index] !== byte)) throw new Error("It does not begin like a .npy file.");
  const view = new DataView(buffer);
  const begin = bytes[6] === 1 ? 10 : 12;
  const length = bytes[6] === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const text = new TextDecoder().decode(bytes.subarray(begin, begin + length));
  const [, descr] = /'descr':\s*'([^']*)'/.exec(text) || [];
  const [, sizes] = /'shape':\s*\(([^)]*)\)/.exec(text) || [];
  if (/'fortran_order':\s*True/.test(text)) throw new Error("Its values are stored column by column (fortran_order).");
  const known = Object.entries(NPY_TYPES).find(([, name]) => name.slice(1) === descr?.slice(1) && descr[0] !== ">");
  if (!known || sizes === undefined) throw new Error(`Arrays of type ${descr} cannot be shown.`);
  const [dtype] = known;
  const shape = sizes
    .split(",")
    .filter((size) => size.trim())
    .map(Number);
  const count = shape.reduce((product, size) => product * size, 1);
  // The last of its letters is how many bytes a value has.
  if (buffer.byteLength < begin + length + count * Number(known[1].at(-1))) throw new Error("The file is cut off.");
  return { dtype, shape, items: new ARRAYS[dtype](buffer.slice(begin + length), 0, count) };
}

/**
 * A picture's array as the parts of a TIFF file: one page for each plane, uncompressed, little-endian. Its description
 * holds the shape, as tifffile writes and reads it. Throws an Error for one that no TIFF file holds.
 *
 * @param {TypedArrayOf} array
 * @param {{width: number, height: number, channels: number}} picture
 */
export function toTiff({ dtype, shape, items }, { width, height, channels }) {
  const size = items.BYTES_PER_ELEMENT;
  const pageBytes = width * height * channels * size;
  const pages = items.byteLength / pageBytes;
  if (items.byteLength + pages * 512 > TIFF_MAX_BYTES) {
    throw new Error("It is larger than the 4 GiB that a TIFF file holds.");
  }
  const description = new TextEncoder().encode(`${JSON.stringify({ shape })}\0`);
  const format = dtype.startsWith("float") ? 3 : dtype.startsWith("int") ? 2 : 1;
  const head = new Uint8Array([0x49, 0x49, 42, 0, 8, 0, 0, 0]);
  const directories = [];
  let at = 8;
  const entries = 13;
  const directoryBytes = 2 + 12 * entries + 4;
  const extraBytes = (/** @type {number} */ page) =>
    (page === 0 ? description.length + (description.length % 2) : 0) + 8 * 2;
  let data = 8;
  for (let page = 0; page < pages; page++) data += directoryBytes + extraBytes(page);
  // Each page's data begins where all of its types may be read.
  data = Math.ceil(data / 16) * 16;
  const begin = data;
  for (let page = 0; page < pages; page++) {
    const extra = extraBytes(page);
    const block = new Uint8Array(directoryBytes + extra);
    const view = new DataView(block.buffer);
    const bitsAt = directoryBytes;
    const textAt = directoryBytes + 16;
    for (let channel = 0; channel < channels; channel++) {
      view.setUint16(bitsAt + 2 * channel, 8 * size, true);
      view.setUint16(bitsAt + 8 + 2 * channel, format, true);
    }
    if (page === 0) block.set(description, textAt);
    let entry = 2;
    view.setUint16(0, entries, true);
    /** @param {number} tag @param {number} type @param {number} count @param {number} value */
    const put = (tag, type, count, value) => {
      view.setUint16(entry, tag, true);
      view.setUint16(entry + 2, type, true);
      view.setUint32(entry + 4, count, true);
      if (type === 3 && count === 1) view.setUint16(entry + 8, value, true);
      else view.setUint32(entry + 8, value, true);
      entry += 12;
    };
    const [SHORT, LONG, ASCII] = [3, 4, 2];
    /** @param {number} tag @param {number} value @param {number} place */
    const several = (tag, value, place) =>
      channels === 1
        ? put(tag, SHORT, 1, value)
        : channels === 2
          ? put(tag, SHORT, 2, value | (value << 16))
          : put(tag, SHORT, channels, at + place);
    put(254, LONG, 1, pages > 1 ? 2 : 0);
    put(256, LONG, 1, width);
    put(257, LONG, 1, height);
    several(258, 8 * size, bitsAt);
    put(259, SHORT, 1, 1);
    put(262, SHORT, 1, channels >= 3 ? 2 : 1);
    if (page === 0) put(270, ASCII, description.length, at + textAt);
    else put(270, ASCII, 1, 0);
    put(273, LONG, 1, data);
    put(277, SHORT, 1, channels);
    put(278, LONG, 1, height);
    put(279, LONG, 1, pageBytes);
    put(338, SHORT, channels === 4 ? 1 : 0, channels === 4 ? 2 : 0);
    several(339, format, bitsAt + 8);
    if (channels !== 4) dropEntry(view, 2 + 12 * 11, entries);
    at += block.length;
    view.setUint32(2 + 12 * view.getUint16(0, true), page + 1 < pages ? at : 0, true);
    directories.push(block);
    data += pageBytes;
  }
  return [head, ...directories, new Uint8Array(begin - at), bytesOf(items)];
}

/**
 * Take one entry out of a directory, in which the next directory's place comes right behind the last.
 *
 * @param {DataView} view
 * @param {number} where
 * @param {number} entries
 */
function dropEntry(view, where, entries) {
  for (let at = where; at < 2 + 12 * (entries - 1); at++) view.setUint8(at, view.getUint8(at + 12));
  view.setUint16(0, entries - 1, true);
}
