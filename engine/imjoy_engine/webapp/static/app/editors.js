// Plugins that are written here: each in a tab, its file in the workspace, where other programs may change it too.

import { connectionOf, core } from "./core.js";
import { readable } from "./errors.js";
import { rememberFile } from "./memory.js";
import { addPlugin, run } from "./plugins.js";
import { ask, state } from "./state.js";
import { openOwnWindow } from "./windows.js";

const { reactive, watch } = Vue;
const WATCH_MILLISECONDS = 1000;
const ENDING = ".imjoy.html";

/** The editors that are open, by their file. */
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
    const { file, source } = await core.link.template(name);
    openEditor(file, source);
  } catch (error) {
    state.loadError = readable(error, "The plugin could not be begun.");
  }
}

/** Open the source of a plugin that is loaded. */
export const editPlugin = (card) =>
  openEditor(card.file?.path || `${card.name}${ENDING}`, card.template.code, card.file);

/** Choose a plugin's file of the workspace, and load it. */
export async function openFromWorkspace() {
  const { files } = connectionOf({}) || {};
  if (!files) return;
  const chosen = await ask("files", {
    title: "A plugin's file in the workspace",
    root: "",
    wanted: "file",
    multiple: false,
    files: Vue.markRaw(files),
  });
  if (!chosen) return;
  const [path] = chosen;
  try {
    await reload(path, await read(path));
  } catch (error) {
    state.loadError = readable(error, `${path} could not be loaded.`);
  }
}

function openEditor(file, source, known) {
  const open = editors.get(file);
  if (open) {
    open.window.show();
    return;
  }
  // What is in the workspace under that name may be something else, until it was read or written here.
  const editor = reactive({ kind: "editor", file, text: source, kept: known ? source : null, note: "", code: null });
  editor.window = openOwnWindow(file, editor, () => mayClose(editor));
  editors.set(file, editor);
}

const isChanged = (editor) => editor.text !== editor.kept;

async function mayClose(editor) {
  const text = "What you wrote since it was last saved would be lost.";
  const leaves =
    !isChanged(editor) || (await ask("confirm", { title: `Close ${editor.file}?`, text, action: "Close it" }));
  if (leaves) editors.delete(editor.file);
  return leaves;
}

/** Write an editor's text to the workspace; returns whether that was done. */
export async function save(editor) {
  const { file, text } = editor;
  const { files } = connectionOf({}) || {};
  try {
    if (!files) throw new Error("No engine is connected.");
    const isOurs = editor.kept !== null;
    if (!(await written(files, file, text, isOurs))) return false;
    editor.kept = text;
    editor.note = `Saved as ${file} in the workspace.`;
    return true;
  } catch (error) {
    editor.note = `It was not saved. ${readable(error, "").why || error.message}`;
    return false;
  }
}

async function written(files, path, text, overwrite) {
  try {
    await files.putFile({ path, overwrite }, new Blob([text]));
    return true;
  } catch (error) {
    if (error.id !== "files.exists") throw error;
  }
  const answer = await ask("confirm", {
    title: `Replace ${path}?`,
    text: "There is a file of that name in the workspace.",
    action: "Replace it",
  });
  return Boolean(answer) && written(files, path, text, true);
}

/** Save, load what was saved, and run it. */
export async function saveAndRun(editor) {
  if (!(await save(editor))) return;
  const card = await loadFrom(editor.file, editor.text);
  if (!card?.plugin) editor.note = "It could not be started: its card says why.";
  else if (card.canRun) await run(card, null);
}

async function loadFrom(path, source) {
  const isWatched = state.plugins.some(({ file }) => file?.path === path && file.isWatched);
  const card = await addPlugin(source, path, "", { keepsTag: true });
  if (!card) return null;
  setFile(card, { path, isWatched });
  return card;
}

/** Begin a plugin anew with what its file in the workspace holds now. */
async function reload(path, source) {
  state.loadError = null;
  const editor = editors.get(path);
  if (editor && !isChanged(editor)) {
    Object.assign(editor, { kept: source, text: source });
    editor.code?.replace(source);
  } else if (editor && editor.text !== source) {
    editor.note = "Another program has changed the file; it is not what is shown here.";
  }
  await loadFrom(path, source);
}

/** Begin a plugin anew whenever its file in the workspace changes, or no more. */
export const toggleWatch = (card) => setFile(card, { ...card.file, isWatched: !card.file.isWatched });

function setFile(card, file) {
  card.file = file;
  rememberFile(state.workspace, card.name, file);
}

/** Look after the files that are watched, and ask before the page is left with something unsaved. */
export function followFiles() {
  const watched = () => state.plugins.filter((card) => card.file?.isWatched);
  const seen = new Map();
  let busy = false;
  const look = async () => {
    if (busy || !core.link) return;
    busy = true;
    for (const card of watched()) {
      // A file that is gone, or an engine, may come back.
      await lookAt(card, seen).catch(() => seen.delete(card.file?.path));
    }
    busy = false;
  };
  let timer = null;
  watch(
    () => watched().length,
    (count) => {
      clearInterval(timer);
      timer = count ? setInterval(look, WATCH_MILLISECONDS) : null;
      if (!count) seen.clear();
    },
    { immediate: true },
  );
  window.addEventListener("beforeunload", (event) => {
    if ([...editors.values()].some(isChanged)) event.preventDefault();
  });
}

/** Begin a plugin anew where its file is not what `seen` knows, nor what is loaded: what was saved here is. */
async function lookAt({ file: { path }, template }, seen) {
  const mark = await markOf(path);
  if (!mark || mark === seen.get(path)) return;
  seen.set(path, mark);
  const source = await read(path);
  if (source !== template.code) await reload(path, source);
}

const read = async (path) => (await connectionOf({}).files.getFile(path)).text();

const urls = new Map();

/** What changes when a file does. */
async function markOf(path) {
  if (!urls.has(path)) urls.set(path, await core.files.getFileUrl(path));
  const answer = await fetch(urls.get(path), { method: "HEAD", cache: "no-store" });
  if (answer.ok) return answer.headers.get("ETag");
  // The url is good for an hour.
  urls.delete(path);
  return null;
}
