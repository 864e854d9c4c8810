// Plugins that are written here: each in a tab, its file in the workspace, where other programs may change it too.

import { idOf, messageOf } from "../../engine/errors.js";
import { core, filesOf, ownClient } from "../core/core.js";
import { readable } from "../model/errors.js";
import { chooseFiles } from "./inputs.js";
import { rememberFile } from "../model/storage.js";
import { addPlugin, run } from "./plugins.js";
import { ask, state } from "../model/state.js";
import { openOwnWindow } from "../layout/windows.js";
import { noteWriting } from "../layout/workspaces.js";

const { reactive, watch } = Vue;
const WATCH_MILLISECONDS = 1000;
const ENDING = ".imjoy.html";

/** The editors that are open, by their file. @type {Map<string, Editor>} */
const editors = new Map();

/** Ask for a name, and open a first plugin of that name: it works as it stands. */
export async function newPlugin() {
  state.loadError = null;
  const name = await ask("prompt", {
    title: "Write a plugin",
    text: "Its name",
    initial: "My plugin",
    action: "Write it",
  });
  if (!name) return;
  try {
    const { file, source } = await ownClient().template(name);
    openEditor(file, source);
  } catch (error) {
    state.loadError = readable(error, "The plugin could not be created.");
  }
}

/**
 * Open a plugin's file as it is now; where there is none that can be read, the source that is loaded.
 *
 * @param {Card} card
 */
export async function editPlugin(card) {
  const { file, template } = card;
  const source = file && (await read(file.path).catch(() => null));
  openEditor(file?.path || `${card.name}${ENDING}`, source ?? template.code ?? "", typeof source === "string");
}

/** Choose a plugin's file of the workspace, and load it. */
export async function openFromWorkspace() {
  if (!core.client) return;
  const chosen = await chooseFiles({ title: "A plugin's file in the workspace" });
  if (!chosen) return;
  const [path] = chosen;
  try {
    await reload(path, await read(path));
  } catch (error) {
    state.loadError = readable(error, `${path} could not be loaded.`);
  }
}

/**
 * A file's text as an editor has it, and how its lines end in the file.
 *
 * @param {string} source
 */
const opened = (source) => ({
  text: source.replace(/\r\n?/g, "\n"),
  lineEnd: /\r\n?|\n/.exec(source)?.[0] || "\n",
});

/**
 * What an editor's file is to hold.
 *
 * @param {Editor} editor
 */
const sourceOf = ({ text, lineEnd }) => text.replaceAll("\n", lineEnd);

/** @param {string} file @param {string} source @param {boolean} [isKept] whether that is what the file holds */
function openEditor(file, source, isKept) {
  const open = editors.get(file);
  if (open) {
    open.window?.show();
    return;
  }
  const { text, lineEnd } = opened(source);
  // What is in the workspace under that name may be something else, until it was read or written here.
  const kept = isKept ? text : null;
  /** @type {Editor} */
  const editor = reactive({ kind: "editor", file, text, lineEnd, kept, note: "", code: null, isStarting: false });
  editor.window = openOwnWindow(file, editor, () => mayClose(editor));
  editors.set(file, editor);
}

/** @param {Editor} editor */
const isChanged = (editor) => editor.text !== editor.kept;

/** @param {Editor} editor */
async function mayClose(editor) {
  const text = "Your changes since the last save would be lost.";
  const leaves =
    !isChanged(editor) || Boolean(await ask("confirm", { title: `Close ${editor.file}?`, text, action: "Close it" }));
  if (leaves) editors.delete(editor.file);
  return leaves;
}

/**
 * Write an editor's text to the workspace; returns whether that was done.
 *
 * @param {Editor} editor
 */
export async function save(editor) {
  const { file, text } = editor;
  try {
    if (!(await written(editor, sourceOf(editor)))) return false;
    editor.kept = text;
    editor.note = `Saved as ${file} in the workspace.`;
    return true;
  } catch (error) {
    editor.note = `It was not saved. ${readable(error, "").why || messageOf(error)}`;
    return false;
  }
}

/**
 * Write a file, in the place of what the editor does not know only where the person wants that.
 *
 * @param {Editor} editor
 * @param {string} source
 */
async function written({ file: path, kept }, source) {
  const files = filesOf();
  const content = new Blob([source]);
  if (kept === null || !(await holds(path, kept))) {
    try {
      await noteWriting(files.putFile({ path, overwrite: false }, content));
      return true;
    } catch (error) {
      if (idOf(error) !== "files.exists") throw error;
    }
    const text =
      kept === null
        ? "The workspace already has a file of that name."
        : "Another program has changed it since it was read or saved here.";
    if (!(await ask("confirm", { title: `Replace ${path}?`, text, action: "Replace it" }))) return false;
  }
  await noteWriting(files.putFile({ path, overwrite: true }, content));
  return true;
}

/**
 * Whether that is still what a file holds.
 *
 * @param {string} path
 * @param {string} text
 */
async function holds(path, text) {
  try {
    return opened(await read(path)).text === text;
  } catch (error) {
    if (idOf(error) !== "files.not-found") throw error;
    return false;
  }
}

/**
 * Save, and begin to load and run what was saved: only the saving is waited for, as a run may never end.
 *
 * @param {Editor} editor
 */
export async function saveAndRun(editor) {
  const source = sourceOf(editor);
  if (!(await save(editor))) return;
  if (editor.isStarting) editor.note += " The plugin that is starting still has the text from before.";
  else start(editor, source);
}

/** @param {Editor} editor @param {string} source */
async function start(editor, source) {
  editor.isStarting = true;
  try {
    const card = await loadFrom(editor.file, source);
    if (!card?.plugin) editor.note = "It could not be started: its card says why.";
    else if (card.canRun) run(card, null);
  } finally {
    editor.isStarting = false;
  }
}

/** @param {string} path @param {string} source */
async function loadFrom(path, source) {
  const isWatched = state.plugins.some(({ file }) => file?.path === path && file.isWatched);
  const card = await addPlugin(source, path, "", { keepsTag: true });
  if (!card) return null;
  setFile(card, { path, isWatched });
  return card;
}

/**
 * Begin a plugin anew with what its file in the workspace holds now.
 *
 * @param {string} path
 * @param {string} source
 */
async function reload(path, source) {
  state.loadError = null;
  const editor = editors.get(path);
  const { text, lineEnd } = opened(source);
  if (editor && !isChanged(editor)) {
    Object.assign(editor, { kept: text, text, lineEnd });
    editor.code?.replace(text);
  } else if (editor && editor.text !== text) {
    editor.note = "Another program has changed the file: it differs from what is shown here.";
  }
  await loadFrom(path, source);
}

/**
 * Begin a plugin anew whenever its file in the workspace changes, or no more.
 *
 * @param {Card} card
 */
export function toggleWatch(card) {
  if (card.file) setFile(card, { ...card.file, isWatched: !card.file.isWatched });
}

/** @param {Card} card @param {KeptFile} file */
function setFile(card, file) {
  card.file = file;
  rememberFile(state.workspace, card.name, file);
}

/** Look after the files that are watched, and ask before the page is left with something unsaved. */
export function followFiles() {
  const watched = () => state.plugins.filter((card) => card.file?.isWatched);
  /** @type {Seen} */
  const seen = new Map();
  let busy = false;
  const look = async () => {
    if (busy || !core.client) return;
    busy = true;
    for (const card of watched()) {
      // A file that is gone, or an engine, may come back.
      const { path = "" } = card.file || {};
      await lookAt(card, path, seen).catch(() => seen.delete(path));
    }
    busy = false;
  };
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let timer;
  watch(
    () => watched().length,
    (count) => {
      clearInterval(timer);
      timer = count ? setInterval(look, WATCH_MILLISECONDS) : undefined;
      if (!count) seen.clear();
    },
    { immediate: true },
  );
  window.addEventListener("beforeunload", (event) => {
    if ([...editors.values()].some(isChanged)) event.preventDefault();
  });
}

/** @typedef {Map<string, string>} Seen by path, what changes when the file does */

/**
 * Begin a plugin anew where its file is not what `seen` knows, nor what is loaded: what was saved here is.
 *
 * @param {Card} card
 * @param {string} path
 * @param {Seen} seen
 */
async function lookAt({ template }, path, seen) {
  const mark = await markOf(path);
  if (!mark || mark === seen.get(path)) return;
  seen.set(path, mark);
  const source = await read(path);
  if (source !== template.code) await reload(path, source);
}

/** @param {string} path */
const read = async (path) => (await filesOf().getFile(path)).text();

/** Where the files can be asked for, by path. @type {Map<string, string>} */
const urls = new Map();

/**
 * What changes when a file does.
 *
 * @param {string} path
 */
async function markOf(path) {
  const url = urls.get(path) || (await filesOf().getFileUrl({ path }));
  urls.set(path, url);
  const answer = await fetch(url, { method: "HEAD", cache: "no-store" });
  if (answer.ok) return answer.headers.get("ETag");
  // The url is good for an hour.
  urls.delete(path);
  return null;
}
