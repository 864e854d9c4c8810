// A person's own files: dropped or picked, kept in the workspace, shown where they are pictures, and run on by plugins.

import { idOf, messageOf } from "../../engine/errors.js";
import { filesOf } from "../core/core.js";
import { readable } from "../model/errors.js";
import { fromNpy } from "../images/formats.js";
import { fromTiff } from "../images/tiff.js";
import { showView } from "../layout/panes.js";
import { addOutput, ask, state } from "../model/state.js";
import { contextOf } from "../images/picture.js";
import { asArray } from "../results/values.js";

const { markRaw } = Vue;
/** A larger file is in the workspace all the same, for plugins that read it from there. */
const MAX_SHOWN_BYTES = 1 << 30;
const MAX_NAMES = 100;
/** @type {[RegExp, (file: File) => Promise<TypedArrayOf & {hints?: Hints}>][]} */
const READERS = [
  [/\.(ome\.)?tiff?$|\.(ome\.)?tf[28]$|\.btf$/i, async (file) => fromTiff(await file.arrayBuffer())],
  [/\.npy$/i, async (file) => fromNpy(await file.arrayBuffer())],
  [/\.(png|jpe?g|gif|webp|bmp)$/i, fromBrowserPicture],
];

/**
 * Whether a file is a plugin rather than something to run one on.
 *
 * @param {File} file
 */
export const isPluginFile = ({ name }) => /\.html?$/i.test(name);

/**
 * Put a file into the workspace, and show it in the output, where plugins can be run on it.
 *
 * @param {File} file
 */
export const addInput = (file) => take(file, () => uploaded(file));

/** Have a person choose files of the workspace, or of this computer, and show them in the output. */
export async function chooseInputs() {
  const chosen = await chooseFiles({ title: "Open files", multiple: true, takesOthers: true });
  for (const one of chosen || []) {
    if (one instanceof File) await addInput(one);
    else await openInput(one);
  }
}

/**
 * Have a person choose files of the workspace; with `takesOthers` this computer's, too. Returns paths and Files, or null.
 *
 * @param {{title: string, multiple?: boolean, takesOthers?: boolean}} details
 */
export function chooseFiles(details) {
  return ask("files", { root: "", wanted: "file", multiple: false, files: markRaw(filesOf()), ...details });
}

/** @param {string} path */
async function openInput(path) {
  try {
    await take(await filesOf().getFile(path), async () => path);
  } catch (error) {
    state.loadError = readable(error, `${path} could not be opened.`);
  }
}

/**
 * Show a file in the output; `place` returns its path in the workspace.
 *
 * @param {File} file
 * @param {() => Promise<string>} place
 */
async function take(file, place) {
  state.loadError = null;
  state.loading = true;
  try {
    const path = await place();
    const { image, note } = await pictureIn(file);
    const input = { name: file.name, path, ...image };
    const result = image ? withHints(image) : `${path} is in the workspace.${note && ` ${note}`}`;
    addOutput({ plugin: file.name, kind: "input", value: markRaw({ result, input }) });
    showView("output");
  } catch (error) {
    state.loadError = readable(error, `${file.name} could not be loaded.`);
  } finally {
    state.loading = false;
  }
}

/**
 * Put a file into the workspace; returns its path. A file that is there already stays: the next free name is taken.
 *
 * @param {File} file
 */
async function uploaded(file) {
  const files = filesOf();
  const [, stem = file.name, suffix = ""] = /^(.*?)((?:\.ome)?\.[^.]*)?$/i.exec(file.name) || [];
  for (let number = 1; ; number++) {
    const path = number === 1 ? file.name : `${stem} (${number})${suffix}`;
    try {
      await files.putFile(path, file);
      return path;
    } catch (error) {
      if (idOf(error) !== "files.exists" || number === MAX_NAMES) throw error;
    }
  }
}

/** @typedef {{image: object, pixel_size?: number, unit?: string, axes?: string}} Picture as plugins get it */

/**
 * The picture in a file, or why there is none.
 *
 * @param {File} file
 * @returns {Promise<{image: Picture | null, note: string}>}
 */
async function pictureIn(file) {
  const reader = READERS.find(([form]) => form.test(file.name))?.[1];
  if (!reader) return { image: null, note: "" };
  if (file.size > MAX_SHOWN_BYTES) return { image: null, note: "It is too large to be shown here." };
  try {
    const { dtype, shape, items, hints = {} } = await reader(file);
    const bytes = new Uint8Array(items.buffer, items.byteOffset, items.byteLength);
    const image = { _rtype: "ndarray", _rdtype: dtype, _rshape: shape, _rvalue: bytes };
    const { pixelSize, unit, axes } = hints;
    const metadata = { ...(pixelSize ? { pixel_size: pixelSize, unit } : {}), ...(axes ? { axes } : {}) };
    return { image: { image, ...metadata }, note: "" };
  } catch (error) {
    return { image: null, note: `It is not shown here. ${messageOf(error)}` };
  }
}

/** @param {Picture} picture */
const withHints = ({ image, ...hints }) => (Object.keys(hints).length ? { image, ...hints } : image);

/**
 * What the browser itself reads: 8 bits, grey where it has no colour.
 *
 * @param {File} file
 * @returns {Promise<TypedArrayOf>}
 */
async function fromBrowserPicture(file) {
  const bitmap = await createImageBitmap(file);
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height);
  const context = contextOf(canvas);
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  let isGrey = true;
  let isOpaque = true;
  for (let at = 0; at < data.length; at += 4) {
    if (data[at] !== data[at + 1] || data[at] !== data[at + 2]) isGrey = false;
    if (data[at + 3] !== 255) isOpaque = false;
  }
  const channels = !isOpaque ? 4 : isGrey ? 1 : 3;
  if (channels === 4) return { dtype: "uint8", shape: [height, width, 4], items: new Uint8Array(data.buffer) };
  const items = new Uint8Array(width * height * channels);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let channel = 0; channel < channels; channel++) items[pixel * channels + channel] = data[4 * pixel + channel];
  }
  return { dtype: "uint8", shape: channels === 1 ? [height, width] : [height, width, 3], items };
}

/**
 * What a plugin gets as `ctx["data"]` when it is run on an entry of the output; null where there is nothing for it.
 *
 * @param {OutputEntry} entry
 * @returns {object | null}
 */
export function dataOf(entry) {
  if (!entry.value) return null;
  const { result, input } = entry.value;
  if (input) return input;
  if (asArray(result)) return { image: result, name: entry.plugin };
  return result && result.constructor === Object && !result._rtype ? result : null;
}
