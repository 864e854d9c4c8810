// A person's own files: dropped or picked, kept in the workspace, shown where they are pictures, and run on by plugins.

import { connectionOf } from "../core.js";
import { readable } from "../errors.js";
import { fromNpy } from "../images/formats.js";
import { fromTiff } from "../images/tiff.js";
import { showView } from "../layout/panes.js";
import { addOutput, ask, state } from "../state.js";
import { asArray } from "./values.js";

const { markRaw } = Vue;
/** A larger file is in the workspace all the same, for plugins that read it from there. */
const MOST_SHOWN_BYTES = 1 << 30;
const MOST_NAMES = 100;
const READERS = [
  [/\.(ome\.)?tiff?$|\.(ome\.)?tf[28]$|\.btf$/i, async (file) => fromTiff(await file.arrayBuffer())],
  [/\.npy$/i, async (file) => fromNpy(await file.arrayBuffer())],
  [/\.(png|jpe?g|gif|webp|bmp)$/i, fromBrowserPicture],
];

/** Whether a file is a plugin rather than something to run one on. */
export const isPluginFile = ({ name }) => /\.html?$/i.test(name);

/** The engine's files. Throws where there is no engine. */
function engineFiles() {
  const connection = connectionOf({});
  if (!connection) throw new Error("No engine is connected.");
  return connection.files;
}

/** Put a file into the workspace, and show it in the output, where plugins can be run on it. */
export const addInput = (file) => take(file, () => uploaded(engineFiles(), file));

/** Have a person choose files of the workspace, or of this computer, and show them in the output. */
export async function chooseInputs() {
  const chosen = await chooseFiles({ title: "Open files", multiple: true, takesOthers: true });
  for (const one of chosen || []) {
    if (one instanceof File) await addInput(one);
    else await openInput(one);
  }
}

/** Have a person choose files of the workspace; with `takesOthers` this computer's, too. Returns paths and Files, or null. */
export function chooseFiles(details) {
  return ask("files", { root: "", wanted: "file", multiple: false, files: markRaw(engineFiles()), ...details });
}

async function openInput(path) {
  try {
    await take(await engineFiles().getFile(path), () => path);
  } catch (error) {
    state.loadError = readable(error, `${path} could not be opened.`);
  }
}

/** Show a file in the output; `place` returns its path in the workspace. */
async function take(file, place) {
  state.loadError = null;
  state.loading = true;
  try {
    const path = await place();
    const { image, note } = await pictureIn(file);
    const input = { name: file.name, path, ...image };
    const result = image ? withHints(image.image, image) : `${path} is in the workspace.${note && ` ${note}`}`;
    addOutput({ plugin: file.name, kind: "input", value: markRaw({ result, input }) });
    showView("output");
  } catch (error) {
    state.loadError = readable(error, `${file.name} could not be taken.`);
  } finally {
    state.loading = false;
  }
}

/** A file that is there already stays: the next free name is taken. */
async function uploaded(files, file) {
  const [, stem, suffix] = /^(.*?)((?:\.ome)?\.[^.]*)?$/i.exec(file.name);
  for (let number = 1; ; number++) {
    const path = number === 1 ? file.name : `${stem} (${number})${suffix || ""}`;
    try {
      await files.putFile(path, file);
      return path;
    } catch (error) {
      if (error.id !== "files.exists" || number === MOST_NAMES) throw error;
    }
  }
}

/** The picture in a file as plugins get it, {image, pixel_size, unit, axes}, or why there is none. */
async function pictureIn(file) {
  const reader = READERS.find(([form]) => form.test(file.name))?.[1];
  if (!reader) return { image: null, note: "" };
  if (file.size > MOST_SHOWN_BYTES) return { image: null, note: "It is too large to be shown here." };
  try {
    const { dtype, shape, items, hints = {} } = await reader(file);
    const bytes = new Uint8Array(items.buffer, items.byteOffset, items.byteLength);
    const image = { _rtype: "ndarray", _rdtype: dtype, _rshape: shape, _rvalue: bytes };
    const { pixelSize, unit, axes } = hints;
    return { image: { image, ...(pixelSize ? { pixel_size: pixelSize, unit } : {}), ...(axes ? { axes } : {}) } };
  } catch (error) {
    return { image: null, note: `It is not shown here. ${error.message}` };
  }
}

const withHints = (array, { image, ...hints }) => (Object.keys(hints).length ? { image: array, ...hints } : array);

/** What the browser itself reads: 8 bits, grey where it has no colour. */
async function fromBrowserPicture(file) {
  const bitmap = await createImageBitmap(file);
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
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

/** What a plugin gets as `ctx["data"]` when it is run on an entry of the output; null where there is nothing for it. */
export function dataOf(entry) {
  if (!entry.value) return null;
  const { result, input } = entry.value;
  if (input) return input;
  if (asArray(result)) return { image: result, name: entry.plugin };
  return result && result.constructor === Object && !result._rtype ? result : null;
}
