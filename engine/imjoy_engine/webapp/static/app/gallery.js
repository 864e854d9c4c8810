// The plugins that come with imjoy: listed, and loaded without a network.

import { core } from "./core.js";
import { readable } from "./errors.js";
import { home } from "./memory.js";
import { addPlugin } from "./plugins.js";
import { ask, state } from "./state.js";

/** The one to begin with. */
export const FIRST = "Waves";

/** Offer the examples, and load the one that is chosen. */
export async function openGallery() {
  try {
    const names = await fetched("").then((answer) => answer.json());
    const entries = await Promise.all(names.map(entryOf));
    const file = await ask("gallery", { title: "Examples", entries: Vue.markRaw(entries) });
    if (file !== null) await loadExample(file);
  } catch (error) {
    state.loadError = readable(error, "The examples could not be listed.");
  }
}

/** Load an example by its file's name. */
export async function loadExample(file) {
  try {
    await addPlugin(await sourceOf(file), file);
  } catch (error) {
    state.loadError = readable(error, `${file} could not be loaded.`);
  }
}

async function entryOf(file) {
  const { name, type, description, tags } = core.imjoy.pm.parsePluginCode(await sourceOf(file));
  return { file, name, type, description: description || "", tags: Array.isArray(tags) ? tags : [] };
}

const sourceOf = (file) => fetched(encodeURIComponent(file)).then((answer) => answer.text());

async function fetched(path) {
  const answer = await fetch(`${home}/examples/${path}`);
  if (!answer.ok) throw new Error(`The engine answered ${answer.status}.`);
  return answer;
}
