// An array as a picture: its axes, its planes, its contrast, and its pixels as colours. No page is needed for any of it.

const SMALLEST_SIDE = 8;
const MAX_AXES = 5;
const SAMPLES = 1 << 16;
const BINS = 256;
/** Of what is dark and bright so much is cut off by the automatic contrast, so that one hot pixel does not rule it. */
const CUT_OFF = 0.001;
/** A contrast by table needs one entry for each value. */
/** @type {Record<string, [first: number, count: number]>} */
const TABLED = { uint8: [0, 256], bool: [0, 256], int8: [-128, 256], uint16: [0, 65536], int16: [-32768, 65536] };
const WHOLE = /^(u?int|bool)/;
const MAX_MEAN_SIDE = 4;

/**
 * @typedef {{width: number, height: number, channels: number, extra: {name: string, size: number}[], dtype: string,
 *   plane: (indices: number[]) => Numbers}} Picture `extra` are the axes besides those of a plane
 * @typedef {{min: number, max: number, low: number, high: number, bins: number[]}} Measured
 * @typedef {{table: Uint32Array, level: (value: number) => number, direct: Uint32Array | null, offset: number}} Colours
 * @typedef {{x: number, y: number, scale: number}} View
 */

/**
 * Return the picture in an array, or null where it is none.
 *
 * The last two axes are y and x; a last one of 3 or 4 behind two that are longer is colour. `hints.axes`, such as "TCZYX",
 * names them, and an S or C at the end is colour.
 *
 * @param {{dtype: string, shape: number[], items: Items | null}} array
 * @param {Hints} [hints]
 * @returns {Picture | null}
 */
export function pictureOf({ dtype, shape, items }, hints = {}) {
  if (!items || shape.length < 2 || shape.length > MAX_AXES + 1 || shape.includes(0)) return null;
  const named = String(hints.axes || "").toUpperCase();
  const names = named.length === shape.length ? [...named] : [];
  const [above = 0, before = 0, last = 0] = [...shape.slice(-3)];
  const mayBeColour = shape.length > 2 && [1, 3, 4].includes(last);
  const isColour = mayBeColour && (names.length ? "SC".includes(names[names.length - 1]) : isWide(above, before));
  const channels = isColour ? last : 1;
  const sides = isColour ? shape.slice(0, -1) : shape;
  const [height, width] = sides.slice(-2);
  if (!isWide(height, width)) return null;
  const extra = sides.slice(0, -2).map((size, index) => ({ name: nameOf(names[index], index), size }));
  const planeLength = height * width * channels;
  /** @type {Numbers | null} */
  let usable = null;
  return {
    width,
    height,
    channels,
    extra,
    dtype,
    /** The pixels at `indices` of the extra axes, row by row; a view, not a copy. */
    plane(indices) {
      usable ??= numbers(items);
      const number = indices.reduce((at, index, axis) => at * extra[axis].size + index, 0);
      return usable.subarray(number * planeLength, (number + 1) * planeLength);
    },
  };
}

/** @param {number} height @param {number} width */
const isWide = (height, width) => height >= SMALLEST_SIDE && width >= SMALLEST_SIDE;

/** @param {string | undefined} letter @param {number} index */
const nameOf = (letter, index) => (letter ? letter.toLowerCase() : `axis ${index}`);

/**
 * 64-bit integers are shown as the nearest number that the page can count with.
 *
 * @param {Items} items
 * @returns {Numbers}
 */
const numbers = (items) =>
  items instanceof BigInt64Array || items instanceof BigUint64Array ? Float64Array.from(items, Number) : items;

/**
 * How many of the sorted values each bin has. Whole numbers: as many in one bin as in another, or some bins stay empty.
 *
 * @param {Float64Array} values
 * @param {number} min
 * @param {number} max
 * @param {boolean} whole
 * @returns {number[]}
 */
function countIn(values, min, max, whole) {
  const width = whole ? Math.ceil((max - min + 1) / BINS) : (max - min) / BINS || 1;
  const bins = new Array(whole ? Math.ceil((max - min + 1) / width) : BINS).fill(0);
  for (const value of values) bins[Math.min(bins.length - 1, Math.floor((value - min) / width))] += 1;
  return bins;
}

/**
 * The values of a plane as far as its contrast needs them; sampled where there are many.
 *
 * @param {Numbers} plane
 * @param {string} dtype
 * @param {number} [channels]
 * @returns {Measured}
 */
export function measure(plane, dtype, channels = 1) {
  // An odd step walks through all columns and, of colours, all channels.
  let step = Math.max(1, Math.floor(plane.length / SAMPLES));
  if (step > 1) while (step % 2 === 0 || step % 3 === 0) step += 1;
  if (channels === 4) return measure(withoutAlpha(plane), dtype);
  const sampled = [];
  for (let at = 0; at < plane.length; at += step) if (Number.isFinite(plane[at])) sampled.push(plane[at]);
  const values = Float64Array.from(sampled).sort();
  if (!values.length) return { min: 0, max: 1, low: 0, high: 1, bins: new Array(BINS).fill(0) };
  const [min, max] = [values[0], values[values.length - 1]];
  let low = values[Math.floor((values.length - 1) * CUT_OFF)];
  let high = values[Math.ceil((values.length - 1) * (1 - CUT_OFF))];
  // A mask of few pixels, or a plane of one value.
  if (low === high) [low, high] = min === max ? [min, min + 1] : [min, max];
  const bins = countIn(values, min, max, WHOLE.test(dtype));
  // Pictures of 8 bits in colour are meant to be seen as they are.
  if (dtype === "uint8" && channels > 1) [low, high] = [0, 255];
  return { min, max: max === min ? min + 1 : max, low, high, bins };
}

/** @param {Numbers} plane */
function withoutAlpha(plane) {
  const step = Math.max(1, Math.floor(plane.length / 4 / SAMPLES));
  const values = [];
  for (let at = 0; at + 3 < plane.length; at += 4 * step) values.push(plane[at], plane[at + 1], plane[at + 2]);
  return Float64Array.from(values);
}

/** The colours between which each table goes. @type {Record<string, string[]>} */
const STOPS = {
  grey: ["000000", "ffffff"],
  "inverted grey": ["ffffff", "000000"],
  viridis: ["440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725"],
  magma: ["000004", "1d1147", "51127c", "832681", "b73779", "e75263", "fc8961", "fec488", "fcfdbf"],
  hot: ["000000", "8b0000", "ff2a00", "ffb000", "ffff6a", "ffffff"],
  red: ["000000", "ff0000"],
  green: ["000000", "00ff00"],
  blue: ["000000", "0000ff"],
  cyan: ["000000", "00ffff"],
  magenta: ["000000", "ff00ff"],
  yellow: ["000000", "ffff00"],
};
/** The names of all look-up tables. */
export const TABLE_NAMES = [...Object.keys(STOPS), "labels"];

/**
 * A look-up table: 256 colours as the 32 bits of a pixel. `labels` gives neighbours different colours, and 0 black.
 *
 * @param {string} name
 */
export function lookUpTable(name) {
  const table = new Uint32Array(256);
  const bytes = new Uint8ClampedArray(table.buffer);
  for (let level = 0; level < 256; level++) {
    const colour = name === "labels" ? labelColour(level) : mixed(STOPS[name], level / 255);
    bytes.set([...colour, 255], 4 * level);
  }
  return table;
}

/** @param {string[]} stops @param {number} position from 0 to 1 */
function mixed(stops, position) {
  const at = position * (stops.length - 1);
  const index = Math.min(stops.length - 2, Math.floor(at));
  const [one, two] = [stops[index], stops[index + 1]].map((hex) =>
    [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16)),
  );
  return one.map((part, i) => part + (two[i] - part) * (at - index));
}

/** @param {number} level */
function labelColour(level) {
  if (level === 0) return [0, 0, 0];
  // Steps of the golden angle round the circle of hues never come back to the same place.
  const hue = (level * 137.508) % 360;
  const [saturation, value] = [0.55 + 0.45 * ((level % 3) / 2), 0.75 + 0.25 * (level % 2)];
  return [5, 3, 1].map((n) => {
    const k = (n + hue / 60) % 6;
    return 255 * (value - value * saturation * Math.max(0, Math.min(k, 4 - k, 1)));
  });
}

/**
 * How values become colours: `low` is the first colour of `table` and `high` its last; the table's name `labels` goes
 * round for ever.
 *
 * @param {{dtype: string, low: number, high: number, name: string}} wanted
 * @returns {Colours}
 */
export function colouring({ dtype, low, high, name }) {
  const table = lookUpTable(name);
  const isLabels = name === "labels";
  const factor = 255.999 / (high - low || 1);
  const level = (/** @type {number} */ value) => {
    if (isLabels) return value > 0 ? 1 + ((Math.floor(value) - 1) % 255) : 0;
    const at = (value - low) * factor;
    // What is no number is shown as the least.
    return at > 0 ? (at < 255 ? at | 0 : 255) : 0;
  };
  if (!(dtype in TABLED)) return { table, level, direct: null, offset: 0 };
  const [first, count] = TABLED[dtype];
  const direct = new Uint32Array(count);
  for (let i = 0; i < count; i++) direct[i] = table[level(first + i)];
  return { table, level, direct, offset: -first };
}

/**
 * Paint a part of a plane: `view` is the corner in pixels of the picture, and the screen's pixels for one of them. Where the
 * picture is made smaller, `mean` averages up to 4 x 4 pixels for each.
 *
 * @param {Pick<Picture, "width" | "height" | "channels">} picture
 * @param {Numbers} plane
 * @param {View} view
 * @param {Colours} colours
 * @param {Pick<ImageData, "width" | "height" | "data">} target
 * @param {boolean} [mean]
 */
export function paint(picture, plane, view, colours, target, mean = false) {
  const { width, height, channels } = picture;
  const out = new Uint32Array(target.data.buffer);
  const columns = new Int32Array(target.width);
  for (let column = 0; column < target.width; column++) {
    const x = Math.floor(view.x + (column + 0.5) / view.scale);
    columns[column] = x >= 0 && x < width ? x : -1;
  }
  const side = mean && view.scale <= 0.5 ? Math.min(MAX_MEAN_SIDE, Math.floor(1 / view.scale)) : 1;
  const colourAt = colourPicker(picture, plane, colours, side, 1 / view.scale / side);
  for (let row = 0; row < target.height; row++) {
    const y = Math.floor(view.y + (row + 0.5) / view.scale);
    const begin = row * target.width;
    if (y < 0 || y >= height) {
      out.fill(0, begin, begin + target.width);
      continue;
    }
    if (channels === 1 && side === 1) paintRow(plane, y * width, columns, colours, out, begin);
    else {
      for (let column = 0; column < target.width; column++) {
        out[begin + column] = columns[column] < 0 ? 0 : colourAt(columns[column], y);
      }
    }
  }
}

/**
 * The way that has to be fast: no call for each pixel.
 *
 * @param {Numbers} plane
 * @param {number} start
 * @param {Int32Array} columns
 * @param {Colours} colours
 * @param {Uint32Array} out
 * @param {number} begin
 */
function paintRow(plane, start, columns, { direct, offset, table, level }, out, begin) {
  if (direct) {
    for (let column = 0; column < columns.length; column++) {
      const x = columns[column];
      out[begin + column] = x < 0 ? 0 : direct[plane[start + x] + offset];
    }
    return;
  }
  for (let column = 0; column < columns.length; column++) {
    const x = columns[column];
    out[begin + column] = x < 0 ? 0 : table[level(plane[start + x])];
  }
}

/**
 * @param {Pick<Picture, "width" | "height" | "channels">} picture
 * @param {Numbers} plane
 * @param {Colours} colours
 * @param {number} side
 * @param {number} step
 * @returns {(x: number, y: number) => number}
 */
function colourPicker({ width, height, channels }, plane, { table, level }, side, step) {
  /** @param {number} x @param {number} y @param {number} channel */
  const meanOf = (x, y, channel) => {
    if (side === 1) return plane[(y * width + x) * channels + channel];
    let sum = 0;
    for (let i = 0; i < side; i++) {
      const row = Math.min(height - 1, Math.floor(y + (i - (side - 1) / 2) * step)) * width;
      for (let j = 0; j < side; j++) {
        const column = Math.min(width - 1, Math.floor(x + (j - (side - 1) / 2) * step));
        sum += plane[(Math.max(0, row) + Math.max(0, column)) * channels + channel];
      }
    }
    return sum / side / side;
  };
  if (channels === 1) return (x, y) => table[level(meanOf(x, y, 0))];
  return (x, y) => {
    const [red, green, blue] = [0, 1, 2].map((channel) => level(meanOf(x, y, channel)));
    const alpha = channels === 4 ? alphaOf(plane, plane[(y * width + x) * 4 + 3]) : 255;
    return (alpha << 24) | (blue << 16) | (green << 8) | red;
  };
}

/** @param {Numbers} plane @param {number} value */
const alphaOf = (plane, value) =>
  plane instanceof Uint8Array
    ? value
    : plane instanceof Uint16Array
      ? value >> 8
      : Math.round(255 * Math.min(1, value));

/**
 * A value as it is read under the cursor.
 *
 * @param {number} value
 * @param {string} dtype
 */
export const shortNumber = (value, dtype) => (WHOLE.test(dtype) ? String(value) : String(Number(value.toPrecision(5))));

/**
 * A round length for a scale bar of at most `most` pixels of the screen: {length, pixels}.
 *
 * @param {number} pixelSize
 * @param {number} scale
 * @param {number} most
 */
export function scaleBar(pixelSize, scale, most) {
  const longest = (most / scale) * pixelSize;
  const power = 10 ** Math.floor(Math.log10(longest));
  const length = ([5, 2, 1].find((digit) => digit * power <= longest) || 1) * power;
  return { length: Number(length.toPrecision(3)), pixels: (length / pixelSize) * scale };
}

/**
 * What a canvas is drawn on with. Throws where the browser has no more memory for one.
 *
 * @template {HTMLCanvasElement | OffscreenCanvas} C
 * @param {C} canvas
 */
export function contextOf(canvas) {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("The browser has no memory left for a picture.");
  return context;
}
