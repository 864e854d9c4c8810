// Plugins to choose from: those that come with imjoy, which need no network, and those that a public list names.

import { fileAddress } from "./addresses.js";
import { startedImJoy, ownClient } from "../core/core.js";
import { readable } from "../model/errors.js";
import { home } from "../model/storage.js";
import { addPlugin } from "./plugins.js";
import { ask, state } from "../model/state.js";

/** The one to begin with. */
export const FIRST = "Waves";

/** Offer what there is, and load the one that is chosen. */
export async function openGallery() {
  try {
    /** @type {string[]} */
    const names = await fetched("").then((answer) => answer.json());
    const examples = Vue.markRaw(await Promise.all(names.map(entryOf)));
    const chosen = await ask("gallery", { title: "Gallery", examples });
    if (chosen?.uri) await loadPublic(chosen.uri);
    else if (chosen?.file) await loadExample(chosen.file);
  } catch (error) {
    state.loadError = readable(error, "The examples could not be listed.");
  }
}

/**
 * Load an example by its file's name.
 *
 * @param {string} file
 */
export async function loadExample(file) {
  try {
    await addPlugin(await sourceOf(file), file);
  } catch (error) {
    state.loadError = readable(error, `${file} could not be loaded.`);
  }
}

/**
 * Load a plugin of the public list.
 *
 * @param {string} uri
 */
async function loadPublic(uri) {
  state.loading = true;
  try {
    const file = decodeURIComponent(uri.split("/").pop() || uri);
    await addPlugin(await ownClient().publicSource(uri), file, new URL(uri).origin);
  } catch (error) {
    state.loadError = readable(error, `${uri} could not be loaded.`);
  } finally {
    state.loading = false;
  }
}

/**
 * The public list, {url, time, why, plugins}: of now, or the last one and why. Where `url` is given the list comes from there
 * from now on, from nowhere when it is empty. The engine asks for it, which knows this machine's proxies and certificates.
 *
 * @param {string} [url]
 * @returns {Promise<PublicList>}
 */
export async function publicList(url) {
  if (url !== undefined) await ownClient().choosePublicList(url && fileAddress(url));
  return ownClient().publicList();
}

/** @param {string} file @returns {Promise<Example>} */
async function entryOf(file) {
  const { name, type, description, tags } = startedImJoy().pm.parsePluginCode(await sourceOf(file));
  return { file, name, type, description: description || "", tags: Array.isArray(tags) ? tags : [] };
}

/** @param {string} file */
const sourceOf = (file) => fetched(encodeURIComponent(file)).then((answer) => answer.text());

/** @param {string} path */
async function fetched(path) {
  const answer = await fetch(`${home}/examples/${path}`);
  if (!answer.ok) throw new Error(`The engine answered ${answer.status}.`);
  return answer;
}
