// The workspaces of the app, by name: which plugins are loaded in each, and where its windows lie. The engine keeps them.

import { idOf, messageOf } from "../../engine/errors.js";
import { core, on, ownClient } from "../core/core.js";
import { readable } from "../model/errors.js";
import { forgetFiles, home, moveFiles, rememberMigrated, rememberWorkspace, wasMigrated } from "../model/storage.js";
import { saveFile } from "../results/save_file.js";
import { addLog, ask, showSnackbar, state } from "../model/state.js";

/** The workspace that is always there. */
export const DEFAULT = "default";
const LAYOUT = "layout";
const PLUGIN = /^p/;
/** Where a plugin's key has the time at which it was loaded, as all had once. */
const TIMED = /^p([0-9a-z]{9})/;
const OLDEST_KEY = "p000000000";
const FORMAT = 1;
const MAX_NAMES = 100;
/** For a change to be kept after it, which more changes may follow. */
const SETTLED_MILLISECONDS = 300;
/** Browsers refuse to send more than 64 KiB after the page was left. */
const MAX_KEEPALIVE_BYTES = 60_000;

/** @typedef {{layout: unknown, plugins: KeptPlugin[]}} Kept what the engine keeps of a workspace */

/** @param {string} name @param {string} [key] */
const path = (name, key = "") =>
  `/api/v1/workspaces/${encodeURIComponent(name)}${key && `/${encodeURIComponent(key)}`}`;

/** @type {((kept: Kept) => void)[]} */
const listeners = [];
/** @type {() => Promise<FormerPlugin[]>} */
let readFormer = async () => [];
/** The try to open the workspace, unless it failed. @type {Promise<void> | null} */
let opening = null;

/**
 * Call `handler` once, when the engine tells what it keeps.
 *
 * @param {(kept: Kept) => void} handler
 */
export const onEntered = (handler) => listeners.push(handler);

/**
 * Open the workspace when the engine is connected for the first time. `former` returns the plugins that this browser itself
 * kept before engines did.
 *
 * @param {() => Promise<FormerPlugin[]>} former
 */
export function followWorkspace(former) {
  readFormer = former;
  on("connected", (url) => {
    if (url !== home) return;
    opened().catch((error) => (state.loadError = readable(error, "The workspace could not be opened.")));
  });
}

/** Open the workspace, unless it is open; a try that failed is repeated. Throws where the engine does not tell what it keeps. */
function opened() {
  opening ??= open().catch((error) => {
    opening = null;
    throw error;
  });
  return opening;
}

async function open() {
  const kept = await enter();
  for (const handler of listeners) tell(handler, kept);
}

/**
 * What of it cannot be used keeps nobody from the rest.
 *
 * @param {(kept: Kept) => void} handler
 * @param {Kept} kept
 */
function tell(handler, kept) {
  try {
    handler(kept);
  } catch (error) {
    state.loadError = readable(error, "A part of the workspace could not be restored.");
  }
}

/** @returns {Promise<Kept>} */
async function enter() {
  await listWorkspaces();
  const name = state.workspace;
  rememberWorkspace(name);
  if (name === DEFAULT) {
    if (!state.workspaces.includes(name)) await createDefault();
    await migratePlugins();
  } else if (!state.workspaces.includes(name)) {
    await ask("alert", { title: "Workspaces", text: `There is no workspace ${name}: it was renamed or deleted.` });
    openWorkspace(DEFAULT);
    return { plugins: [], layout: null };
  }
  return documentsOf(name);
}

async function createDefault() {
  try {
    await ownClient().json("PUT", path(DEFAULT));
  } catch (error) {
    // Another tab was quicker.
    if (idOf(error) !== "workspace.exists") throw error;
  }
  await listWorkspaces();
}

/** Give the engine each plugin that the browser kept once; what it did not get, it gets at the next visit. */
async function migratePlugins() {
  try {
    for (const plugin of await readFormer()) if (!wasMigrated(plugin.name)) await migratePlugin(plugin);
  } catch (error) {
    addLog("", "app", `The plugins that this browser had saved could not be read. ${messageOf(error)}`);
  }
}

/** @param {FormerPlugin} plugin */
async function migratePlugin({ name, ...plugin }) {
  try {
    // It is older than any that is there: of one name the newest is loaded.
    await put(DEFAULT, `${OLDEST_KEY}${hashOf(name)}`, { ...plugin, loaded: 0 });
    rememberMigrated(name);
  } catch (error) {
    addLog(name, "app", `The engine could not save it. ${messageOf(error)}`);
  }
}

/** Ask the engine for the names of all workspaces. */
export async function listWorkspaces() {
  state.workspaces = (await ownClient().json("GET", "/api/v1/workspaces")).workspaces;
}

/**
 * Return what the engine keeps of a workspace, the plugins in the order in which they were loaded.
 *
 * @param {string} name
 */
async function documentsOf(name) {
  const client = ownClient();
  const { entries } = await client.json("GET", path(name));
  /** @type {Kept} */
  const found = { layout: null, plugins: [] };
  for (const { key } of entries) {
    if (key === LAYOUT) found.layout = await client.json("GET", path(name, key));
    else if (PLUGIN.test(key)) {
      const plugin = await client.json("GET", path(name, key));
      found.plugins.push({ ...plugin, key, loaded: plugin.loaded ?? timeOf(key) });
    }
  }
  found.plugins.sort((one, other) => (one.loaded ?? 0) - (other.loaded ?? 0));
  return found;
}

/** @param {string} key */
const timeOf = (key) => parseInt(TIMED.exec(key)?.[1] || "0", 36);

/** What is being written for the workspace that is open. @type {Set<Promise<unknown>>} */
const writing = new Set();

/**
 * Have a rename wait for something that is being written; returns the same promise.
 *
 * @template T
 * @param {Promise<T>} promise
 */
export function noteWriting(promise) {
  /** @type {Promise<unknown>} */
  const done = promise.catch(() => {}).finally(() => writing.delete(done));
  writing.add(done);
  return promise;
}

/** @param {string} name @param {string} key @param {KeptPlugin} plugin */
const put = (name, key, { code, tag, origin, loaded }) =>
  noteWriting(ownClient().json("PUT", path(name, key), { code, tag, origin, loaded }));

/**
 * The same in every tab and browser, so that a plugin is kept once.
 *
 * @param {string} plugin
 */
const keyOf = (plugin) => `p${hashOf(plugin)}`;

/**
 * FNV-1a of 64 bits: crypto.subtle is not there where the page comes over HTTP from another computer.
 *
 * @param {string} text
 */
function hashOf(text) {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, "0");
}

let lastKey = 0;

/** Keys sort as plugins were loaded. */
function newKey() {
  lastKey = Math.max(Date.now(), lastKey + 1);
  return `p${lastKey.toString(36).padStart(9, "0")}${crypto.getRandomValues(new Uint16Array(1))[0].toString(36)}`;
}

/**
 * Keep a plugin for the next visit, in the place of one of the same name; returns {key, loaded}. Throws where the workspace
 * cannot be opened.
 *
 * @param {FormerPlugin} plugin
 */
export async function keepPlugin({ name, key, loaded = Date.now(), ...plugin }) {
  await opened();
  const own = keyOf(name);
  await put(state.workspace, own, { ...plugin, loaded });
  if (key && key !== own) await forget(key);
  return { key: own, loaded };
}

/**
 * Forget a plugin; another tab may have kept it since under the key of its name.
 *
 * @param {{name: string, key?: string}} plugin
 */
export async function forgetPlugin({ name, key }) {
  for (const each of new Set([key, keyOf(name)])) if (each) await forget(each);
}

/**
 * Forget one document.
 *
 * @param {string} key
 */
export const forget = (key) => noteWriting(ownClient().json("DELETE", path(state.workspace, key)));

/** @type {string | null} */
let keptLayout = null;
/** @type {ReturnType<typeof setTimeout> | null} */
let layoutTimer = null;
/** @type {string | null} */
let layoutText = null;
/** @type {Promise<unknown>} */
let sending = Promise.resolve();

/**
 * Keep the layout, in a moment: while a border is dragged it changes all the time.
 *
 * @param {object} layout
 */
export function keepLayout(layout) {
  layoutText = JSON.stringify(layout);
  layoutTimer ??= setTimeout(sendLayout, SETTLED_MILLISECONDS);
}

/**
 * The layout that was just taken over needs not be kept.
 *
 * @param {object} layout
 */
export function noteLayout(layout) {
  keptLayout = layoutText = JSON.stringify(layout);
}

/** Send the layout, if it is not kept yet; resolves once the engine has answered. */
function sendLayout() {
  if (layoutTimer !== null) clearTimeout(layoutTimer);
  layoutTimer = null;
  if (!core.client || layoutText === null || layoutText === keptLayout) return sending;
  keptLayout = layoutText;
  const body = new TextEncoder().encode(layoutText);
  sending = core.client
    // It is sent also when the page is left.
    .fetch("PUT", path(state.workspace, LAYOUT), { body, keepalive: body.length <= MAX_KEEPALIVE_BYTES })
    .catch(() => (keptLayout = null));
  return sending;
}

window.addEventListener("pagehide", () => layoutTimer && sendLayout());

/**
 * Open a workspace: as a page of its own, so that all of the one before ends.
 *
 * @param {string} name
 */
export function openWorkspace(name) {
  rememberWorkspace(name);
  location.assign(name === DEFAULT ? `${home}/` : `${home}/?${new URLSearchParams({ workspace: name })}`);
}

/** @param {string} title @param {string} action @param {string} [initial] */
async function askName(title, action, initial = "") {
  const name = await ask("prompt", { title, text: "Its name, which is also the name of its folder", initial, action });
  return name?.trim();
}

/** Ask for a name, and make and open a workspace of that name. */
export async function createWorkspace() {
  const name = await askName("New workspace", "Create");
  if (!name) return;
  await ownClient().json("PUT", path(name));
  forgetFiles(name);
  openWorkspace(name);
}

/**
 * Rename the workspace that is open; `stopAll` ends what runs in its folder.
 *
 * @param {() => Promise<unknown>} stopAll
 */
export async function renameWorkspace(stopAll) {
  const name = await askName(`Rename ${state.workspace}`, "Rename", state.workspace);
  if (!name || name === state.workspace) return;
  await stopAll();
  // To the old name it would not be kept, or bring the old folder back.
  while (writing.size) await Promise.all(writing);
  await sendLayout();
  await ownClient().json("POST", `${path(state.workspace)}/rename`, { name });
  moveFiles(state.workspace, name);
  openWorkspace(name);
}

/**
 * Delete the workspace that is open once a person is sure; `stopAll` ends what runs in its folder.
 *
 * @param {() => Promise<unknown>} stopAll
 */
export async function deleteWorkspace(stopAll) {
  const isSure = await ask("confirm", {
    title: `Delete ${state.workspace}?`,
    text: "Its list of plugins and its layout are deleted. The files of its plugins stay in its folder.",
    action: "Delete",
  });
  if (!isSure) return;
  await stopAll();
  await ownClient().json("DELETE", path(state.workspace));
  forgetFiles(state.workspace);
  openWorkspace(DEFAULT);
}

/** Save the workspace that is open as one file. */
export async function exportWorkspace() {
  await sendLayout();
  const { layout, plugins } = await documentsOf(state.workspace);
  const content = {
    imjoy_workspace: FORMAT,
    name: state.workspace,
    plugins: plugins.map(({ code, tag, origin }) => ({ code, tag, origin })),
    layout,
  };
  saveFile(new Blob([JSON.stringify(content, null, 1)], { type: "application/json" }), `${state.workspace}.imjoy.json`);
}

/**
 * Make a workspace of a file that was exported; its plugins are those that start when it is opened. Throws a problem where
 * the file is none.
 *
 * @param {File} file
 */
export async function importWorkspace(file) {
  /** @type {{imjoy_workspace: unknown, name: string, plugins: KeptPlugin[], layout?: object | null}} */
  let content;
  try {
    content = JSON.parse(await file.text());
    const areTexts = content.plugins.every(({ code }) => typeof code === "string");
    if (content.imjoy_workspace !== FORMAT || typeof content.name !== "string" || !areTexts) throw new Error();
  } catch {
    throw {
      what: `${file.name} is not a workspace.`,
      why: "A workspace is the file that Export saves.",
      fix: "If it is a plugin, load it with Load file.",
    };
  }
  const count = content.plugins.length;
  const isSure = await ask("confirm", {
    title: `Import ${content.name}?`,
    text: `Its plugins (${count}) start when it is opened; native ones are programs that run as you. Import only what you trust.`,
    action: "Import",
  });
  if (!isSure) return;
  const name = await createFree(content.name);
  for (const plugin of content.plugins) await put(name, newKey(), plugin);
  if (content.layout) await ownClient().json("PUT", path(name, LAYOUT), content.layout);
  openWorkspace(name);
}

/**
 * Make a workspace of a name, or of the next one that is free; returns the name.
 *
 * @param {string} wanted
 */
async function createFree(wanted) {
  for (let number = 1; ; number++) {
    const name = number === 1 ? wanted : `${wanted} (${number})`;
    try {
      await ownClient().json("PUT", path(name));
      forgetFiles(name);
      return name;
    } catch (error) {
      if (idOf(error) !== "workspace.exists" || number === MAX_NAMES) throw error;
    }
  }
}

/**
 * Run what a person asked for, and tell why where it fails.
 *
 * @param {() => Promise<unknown>} action
 */
export async function attempt(action) {
  try {
    await action();
  } catch (error) {
    showSnackbar(readable(error, "That could not be done.").what);
    state.loadError = readable(error, "That could not be done.");
  }
}
