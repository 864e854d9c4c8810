// Files and links that are dropped: anywhere on the page, so that the browser never opens one in the page's place.

import { addPluginFile, addPluginFromUrl } from "./plugins.js";
import { isReady } from "../core/core.js";
import { addInput, isPluginFile } from "./inputs.js";
import { state } from "../model/state.js";

/** Take what is dropped anywhere on the page. */
export function followDroppedFiles() {
  let inside = 0;
  const end = () => {
    inside = 0;
    state.dropping = false;
  };
  window.addEventListener("dragenter", (event) => {
    inside += 1;
    state.dropping = hasFilesOrLink(event);
  });
  window.addEventListener("dragleave", () => {
    inside -= 1;
    if (inside <= 0) end();
  });
  window.addEventListener("dragover", (event) => {
    if (hasFilesOrLink(event)) event.preventDefault();
  });
  window.addEventListener("drop", (event) => {
    end();
    const { dataTransfer } = event;
    if (!dataTransfer || !hasFilesOrLink(event)) return;
    event.preventDefault();
    take(dataTransfer);
  });
}

/**
 * A text that is moved within a field is none of our business.
 *
 * @param {DragEvent} event
 */
const hasFilesOrLink = ({ dataTransfer }) =>
  ["Files", "text/uri-list"].some((kind) => dataTransfer?.types.includes(kind));

/** @param {DataTransfer} data */
async function take(data) {
  const files = [...data.files];
  const link = data
    .getData("text/uri-list")
    .split(/\r?\n/)
    .find((line) => line && !line.startsWith("#"));
  if (files.length) await addFiles(files);
  else if (link && (await isReady())) await addPluginFromUrl(link);
}

/**
 * Take files one after the other: each asks its questions by itself, and what all of them need is made meanwhile.
 *
 * @param {File[]} files
 */
export async function addFiles(files) {
  if (!(await isReady())) return;
  /** @type {Problem[]} */
  const problems = [];
  for (const [index, file] of files.entries()) {
    if (files.length > 1) state.taking = { name: file.name, number: index + 1, count: files.length };
    state.loadError = null;
    await (isPluginFile(file) ? addPluginFile(file, { waits: false }) : addInput(file));
    if (state.loadError) problems.push(state.loadError);
  }
  state.taking = null;
  state.loadError = combined(problems, files.length);
}

/**
 * Several problems as one; null where there is none.
 *
 * @param {Problem[]} problems
 * @param {number} count how many files there were
 * @returns {Problem | null}
 */
function combined(problems, count) {
  if (problems.length < 2) return problems[0] || null;
  const why = problems.map(({ what, why, fix, id }) => [what, why, fix, id].filter(Boolean).join("\n")).join("\n\n");
  return { id: "", what: `${problems.length} of ${count} files could not be loaded.`, why, fix: "" };
}
