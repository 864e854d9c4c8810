// TIFF, BigTIFF and OME-TIFF as an array: strips and tiles, uncompressed or by deflate, LZW or PackBits.

/** @type {Record<number, number>} */
const SIZES = { 1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8 };
const SHORT_TYPES = new Set([3, 8]);
const LONG_TYPES = new Set([4, 9, 13]);
/** @typedef {new (length: number) => Numbers} NumbersType */
/** @type {Record<string, [dtype: string, Type: NumbersType, bytes: number]>} */
const TYPES = {
  "1:8": ["uint8", Uint8Array, 1],
  "1:16": ["uint16", Uint16Array, 2],
  "1:32": ["uint32", Uint32Array, 4],
  "2:8": ["int8", Int8Array, 1],
  "2:16": ["int16", Int16Array, 2],
  "2:32": ["int32", Int32Array, 4],
  "3:32": ["float32", Float32Array, 4],
  "3:64": ["float64", Float64Array, 8],
};
const MAX_PAGES = 100_000;
/** Micrometres of a unit that OME names. @type {Record<string, number>} */
const IN_MICROMETRES = { µm: 1, "\u03bcm": 1, um: 1, nm: 0.001, mm: 1000, pm: 1e-6, m: 1e6, cm: 10_000 };

/** @typedef {ReturnType<typeof pageOf>} Page */
/** @typedef {Map<number, string | number[]>} Tags text, or numbers, by the number of the tag */
/**
 * @typedef {{shape?: number[], axes?: string, extra?: number[], letters?: string[], pixelSize?: number, unit?: string,
 *   images?: number}} ParsedDescription what a description says: the whole shape, or
 *   the axes besides those of a page with their letters
 */

/**
 * Return the first series in a file, and hints as far as it tells. Throws an Error that says what is in the way.
 *
 * @param {ArrayBuffer} buffer
 * @returns {Promise<TypedArrayOf & {hints: Hints}>}
 */
export async function fromTiff(buffer) {
  const pages = readPages(buffer);
  const first = pages[0];
  const alike = pages.filter((page) => isLike(page, first));
  const type = TYPES[`${first.format}:${first.bits}`];
  if (!type) throw new Error(`Its values have ${first.bits} bits, in a format that cannot be shown.`);
  const [dtype, Type, bytes] = type;
  const length = first.width * first.height * first.samples;
  const parsed = hintsIn(first.description);
  const { images = 0 } = parsed;
  const contiguous = images > alike.length && first.compression === 1 ? images : alike.length;
  if (length * contiguous * bytes > buffer.byteLength * 1100) throw new Error("It is damaged.");
  const items = new Type(length * contiguous);
  if (contiguous > alike.length) {
    // ImageJ writes one page for a stack of more than 4 GiB, or all that lies behind the first.
    copyRaw(buffer, first, first.offsets[0], items);
  } else {
    for (const [index, page] of alike.entries()) {
      await readPage(buffer, page, items.subarray(index * length, (index + 1) * length), Type);
    }
  }
  return { dtype, items, ...shapeOf(first, contiguous, parsed) };
}

/** @param {ArrayBuffer} buffer @returns {Page[]} */
function readPages(buffer) {
  const view = new DataView(buffer);
  const mark = buffer.byteLength > 8 ? String.fromCharCode(view.getUint8(0), view.getUint8(1)) : "";
  if (!["II", "MM"].includes(mark)) throw new Error("It does not begin like a TIFF file.");
  const little = mark === "II";
  const isBig = view.getUint16(2, little) === 43;
  const word = (/** @type {number} */ at) =>
    isBig ? Number(view.getBigUint64(at, little)) : view.getUint32(at, little);
  /** @type {Page[]} */
  const pages = [];
  try {
    for (let at = word(isBig ? 8 : 4); at && pages.length < MAX_PAGES; ) {
      const count = isBig ? Number(view.getBigUint64(at, little)) : view.getUint16(at, little);
      const begin = at + (isBig ? 8 : 2);
      const size = isBig ? 20 : 12;
      /** @type {Tags} */
      const tags = new Map();
      for (let entry = 0; entry < count; entry++) readTag(view, begin + entry * size, little, isBig, tags);
      pages.push(pageOf(tags, little));
      at = word(begin + count * size);
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new Error("The file is cut off.");
  }
  if (!pages.length) throw new Error("It contains no page.");
  return pages;
}

/**
 * @param {DataView<ArrayBuffer>} view
 * @param {number} at
 * @param {boolean} little
 * @param {boolean} isBig
 * @param {Tags} tags
 */
function readTag(view, at, little, isBig, tags) {
  const type = view.getUint16(at + 2, little);
  const count = isBig ? Number(view.getBigUint64(at + 4, little)) : view.getUint32(at + 4, little);
  const bytes = (SIZES[type] || 1) * count;
  const inline = at + (isBig ? 12 : 8);
  const fits = bytes <= (isBig ? 8 : 4);
  const place = fits ? inline : isBig ? Number(view.getBigUint64(inline, little)) : view.getUint32(inline, little);
  if (place + bytes > view.byteLength) throw new RangeError();
  if (type === 2) {
    tags.set(
      view.getUint16(at, little),
      new TextDecoder().decode(new Uint8Array(view.buffer, place, bytes)).replace(/\0+$/, ""),
    );
    return;
  }
  const values = [];
  for (let i = 0; i < count; i++) {
    if (SHORT_TYPES.has(type)) values.push(view.getUint16(place + 2 * i, little));
    else if (LONG_TYPES.has(type)) values.push(view.getUint32(place + 4 * i, little));
    else if (type === 16) values.push(Number(view.getBigUint64(place + 8 * i, little)));
    else if (type === 5) values.push(view.getUint32(place + 8 * i, little) / view.getUint32(place + 8 * i + 4, little));
    else values.push(view.getUint8(place + i));
  }
  tags.set(view.getUint16(at, little), values);
}

/** @param {Tags} tags @param {boolean} little */
function pageOf(tags, little) {
  /** @param {number} tag @returns {number[]} */
  const numbers = (tag) => {
    const found = tags.get(tag);
    return Array.isArray(found) ? found : [];
  };
  /** @param {number} tag @param {number} otherwise */
  const one = (tag, otherwise) => numbers(tag)[0] ?? otherwise;
  const description = tags.get(270);
  const [width, height] = [one(256, 0), one(257, 0)];
  if (!width || !height) throw new Error("It has a page without a size.");
  const isTiled = tags.has(322);
  return {
    little,
    width,
    height,
    samples: one(277, 1),
    bits: one(258, 1),
    format: one(339, 1),
    compression: one(259, 1),
    predictor: one(317, 1),
    photometric: one(262, 1),
    isSmaller: Boolean(one(254, 0) & 1),
    isPlanar: one(284, 1) === 2 && one(277, 1) > 1,
    tileWidth: isTiled ? one(322, width) : width,
    tileHeight: isTiled ? one(323, height) : Math.min(height, one(278, height)),
    isTiled,
    offsets: numbers(isTiled ? 324 : 273),
    counts: numbers(isTiled ? 325 : 279),
    description: typeof description === "string" ? description : "",
  };
}

/** @type {(keyof Page)[]} */
const COMMON = ["width", "height", "samples", "bits", "format", "isPlanar"];

/** @param {Page} page @param {Page} first */
const isLike = (page, first) => !page.isSmaller && COMMON.every((name) => page[name] === first[name]);

/**
 * Read one page's values into `target`; planes of a planar page come one behind the other.
 *
 * @param {ArrayBuffer} buffer
 * @param {Page} page
 * @param {Numbers} target
 * @param {NumbersType} Type of its values
 */
async function readPage(buffer, page, target, Type) {
  const { width, height, tileWidth, tileHeight, isPlanar } = page;
  const samples = isPlanar ? 1 : page.samples;
  const across = Math.ceil(width / tileWidth);
  const perPlane = across * Math.ceil(height / tileHeight);
  for (let number = 0; number < page.offsets.length; number++) {
    const plane = Math.floor(number / perPlane);
    const [row, column] = [Math.floor((number % perPlane) / across) * tileHeight, (number % across) * tileWidth];
    const rows = page.isTiled ? tileHeight : Math.min(tileHeight, height - row);
    const values = await readBlock(buffer, page, number, Type, tileWidth * rows * samples);
    if (page.predictor === 2) undoDifferences(values, tileWidth * samples, samples);
    const wide = Math.min(tileWidth, width - column) * samples;
    for (let y = 0; y < Math.min(rows, height - row); y++) {
      const from = y * tileWidth * samples;
      target.set(values.subarray(from, from + wide), plane * width * height + ((row + y) * width + column) * samples);
    }
  }
}

/**
 * @param {ArrayBuffer} buffer
 * @param {Page} page
 * @param {number} number
 * @param {NumbersType} Type
 * @param {number} length
 */
async function readBlock(buffer, page, number, Type, length) {
  const offset = page.offsets[number];
  const values = new Type(length);
  if (page.compression === 1) {
    copyRaw(buffer, page, offset, values);
    return values;
  }
  const packed = new Uint8Array(buffer, offset, page.counts[number]);
  const bytes = await unpacked(packed, page.compression, values.byteLength);
  const copy = new Uint8Array(values.byteLength);
  copy.set(bytes.subarray(0, copy.length));
  copyRaw(copy.buffer, page, 0, values);
  return values;
}

/**
 * Copy values as they lie in a file, turned round where its bytes are in the other order.
 *
 * @param {ArrayBuffer} buffer
 * @param {Page} page
 * @param {number} offset
 * @param {Numbers} values
 */
function copyRaw(buffer, page, offset, values) {
  const there = Math.min(values.byteLength, buffer.byteLength - offset);
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  bytes.set(new Uint8Array(buffer, offset, Math.max(0, there)));
  const size = values.BYTES_PER_ELEMENT;
  if (page.little || size === 1) return;
  for (let at = 0; at < bytes.length; at += size) bytes.subarray(at, at + size).reverse();
}

/** @param {Uint8Array<ArrayBuffer>} packed @param {number} compression @param {number} size */
async function unpacked(packed, compression, size) {
  if (compression === 8 || compression === 32946) {
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }
  if (compression === 5) return fromLzw(packed, size);
  if (compression === 32773) return fromPackBits(packed, size);
  throw new Error(`It is compressed with a method that this page cannot read (${compression}).`);
}

/** @param {Uint8Array} packed @param {number} size */
function fromPackBits(packed, size) {
  const out = new Uint8Array(size);
  let to = 0;
  for (let at = 0; at < packed.length && to < size; ) {
    const head = packed[at++];
    if (head < 128) {
      out.set(packed.subarray(at, at + Math.min(head + 1, size - to)), to);
      at += head + 1;
      to += head + 1;
    } else if (head > 128) {
      out.fill(packed[at++], to, to + 257 - head);
      to += 257 - head;
    }
  }
  return out;
}

/**
 * TIFF 6.0, section 13: codes of 9 to 12 bits, the highest bit first; 256 begins anew, 257 ends.
 *
 * @param {Uint8Array} packed
 * @param {number} size
 */
function fromLzw(packed, size) {
  const out = new Uint8Array(size);
  const [CLEAR, END] = [256, 257];
  // Of each code the place in `out` where its bytes stand, and how many they are.
  const place = new Uint32Array(4097);
  const length = new Uint32Array(4097);
  let next = 258;
  let bits = 9;
  let before = -1;
  let to = 0;
  let held = 0;
  let heldBits = 0;
  for (let at = 0; to < size; ) {
    while (heldBits < bits && at < packed.length) {
      held = ((held << 8) | packed[at++]) & 0xffffff;
      heldBits += 8;
    }
    if (heldBits < bits) break;
    heldBits -= bits;
    const code = (held >> heldBits) & ((1 << bits) - 1);
    if (code === END) break;
    if (code === CLEAR) {
      next = 258;
      bits = 9;
      before = -1;
      continue;
    }
    const begin = to;
    if (code < 256) out[to++] = code;
    else if (code <= next) {
      // The code that is just being made is the one before and its own first byte, which both stand there already.
      const isNew = code === next;
      const from = isNew ? place[4096] : place[code];
      const many = isNew ? length[4096] + 1 : length[code];
      for (let i = 0; i < many && to < size; i++) out[to++] = out[from + i];
    } else throw new Error("It is damaged.");
    if (before >= 0 && next < 4096) {
      place[next] = place[4096];
      length[next] = length[4096] + 1;
      next += 1;
    }
    place[4096] = begin;
    length[4096] = to - begin;
    before = code;
    if (next >= (1 << bits) - 1 && bits < 12) bits += 1;
  }
  return out;
}

/** @param {Numbers} values @param {number} rowLength @param {number} samples */
function undoDifferences(values, rowLength, samples) {
  for (let row = 0; row < values.length; row += rowLength) {
    for (let at = row + samples; at < row + rowLength; at++) values[at] += values[at - samples];
  }
}

/**
 * What a description tells: OME-XML, ImageJ's lines, or tifffile's JSON.
 *
 * @param {string} description
 * @returns {ParsedDescription}
 */
function hintsIn(description) {
  if (description.includes("<OME")) return hintsInOme(description);
  if (description.startsWith("ImageJ=")) return hintsInImageJ(description);
  try {
    const { shape, axes } = JSON.parse(description);
    return { shape: Array.isArray(shape) ? shape : undefined, axes };
  } catch {
    return {};
  }
}

/** @param {string} text @returns {ParsedDescription} */
function hintsInOme(text) {
  const attribute = (/** @type {string} */ name) => new RegExp(`<Pixels\\b[^>]*\\b${name}="([^"]*)"`).exec(text)?.[1];
  const order = attribute("DimensionOrder") || "XYCZT";
  const letters = [...order.slice(2)].reverse();
  const samples = Number(/SamplesPerPixel="(\d+)"/.exec(text)?.[1] || 1);
  const sizes = letters.map((letter) => Number(attribute(`Size${letter}`) || 1) / (letter === "C" ? samples : 1));
  const unit = attribute("PhysicalSizeXUnit") || "µm";
  const size = Number(attribute("PhysicalSizeX")) * (IN_MICROMETRES[unit] || 1);
  return {
    extra: sizes,
    letters,
    ...(size > 0 ? { pixelSize: size, unit: unit in IN_MICROMETRES ? "µm" : unit } : {}),
  };
}

/** @param {string} text @returns {ParsedDescription} */
function hintsInImageJ(text) {
  const lines = Object.fromEntries(text.split(/\r?\n/).map((line) => line.split("=", 2)));
  const letters = ["T", "Z", "C"];
  const extra = ["frames", "slices", "channels"].map((name) => Number(lines[name] || 1));
  const images = Number(lines.images || 1);
  // Of a plain stack it says only how many there are.
  if (extra.reduce((product, size) => product * size, 1) !== images) return { extra: [images], letters: ["Z"], images };
  return { extra, letters, images };
}

/**
 * @param {Page} page
 * @param {number} count
 * @param {ParsedDescription} parsed
 * @returns {{shape: number[], hints: Hints}}
 */
function shapeOf(page, count, parsed) {
  const { extra = [], letters = [], pixelSize, unit } = parsed;
  const sides = page.isPlanar ? [page.samples, page.height, page.width] : [page.height, page.width];
  if (!page.isPlanar && page.samples > 1) sides.push(page.samples);
  const own = page.isPlanar ? "SYX" : page.samples > 1 ? "YXS" : "YX";
  const hints = pixelSize ? { pixelSize, unit } : {};
  const product = (/** @type {number[]} */ sizes) => sizes.reduce((all, size) => all * size, 1);
  if (parsed.shape && product(parsed.shape) === product(sides) * count) {
    return { shape: parsed.shape, hints: { ...hints, ...(parsed.axes ? { axes: parsed.axes } : {}) } };
  }
  if (extra.length && product(extra) === count) {
    const kept = extra.map((size, index) => ({ size, letter: letters[index] })).filter(({ size }) => size > 1);
    const axes = kept.map(({ letter }) => letter).join("") + own;
    return { shape: [...kept.map(({ size }) => size), ...sides], hints: { ...hints, axes } };
  }
  return { shape: count > 1 ? [count, ...sides] : sides, hints };
}
