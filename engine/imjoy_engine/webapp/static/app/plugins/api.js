// The app's side of the plugin API: what `api.alert`, `api.showDialog` and the like do on this page.
// imjoy-core puts the plugin that calls before the arguments.

import { core, filesOf, startedImJoy } from "../core/core.js";
import { parseFields, withoutTags } from "./fields.js";
import { syncCards } from "./plugins.js";
import { saveFile } from "../results/save_file.js";
import { addLog, addOutput, ask, pluginNamed, showSnackbar } from "../model/state.js";
import { openWindow } from "../layout/windows.js";

/** Before this version of the API, a native plugin got the path itself from a file dialog. */
const PATH_OBJECTS_SINCE = [0, 1, 6];

/** @typedef {CorePlugin | null | undefined} Caller imjoy-core itself calls without a plugin */
/** @typedef {string | {path: string, dir?: string, expires?: number}} WantedPath */

/**
 * The functions that plugins may call of this page.
 *
 * @returns {Record<string, ApiFunction | Record<string, () => void>>}
 */
export function appApi() {
  return {
    alert: (plugin, message) =>
      ask("alert", { title: nameOf(plugin), text: textOf(message) }, nameOf(plugin)).then(() => null),
    confirm: async (plugin, message) =>
      Boolean(await ask("confirm", { title: titleOf(message, plugin), text: textOf(message) }, nameOf(plugin))),
    prompt: (plugin, message, initial) =>
      ask(
        "prompt",
        {
          title: titleOf(message, plugin),
          text: textOf(message),
          initial: String(message?.placeholder ?? initial ?? ""),
        },
        nameOf(plugin),
      ),
    showDialog,
    showFileDialog,
    createWindow: (plugin, config, more) => openWindow(plugin, config, more),
    showMessage(plugin, message, seconds) {
      addOutput({ plugin: nameOf(plugin), kind: "message", text: textOf(message) });
      showSnackbar(textOf(message), seconds);
    },
    showSnackbar: (plugin, message, seconds) => showSnackbar(textOf(message), seconds),
    showStatus(plugin, message) {
      noteOn(plugin, { status: textOf(message) });
    },
    showProgress,
    log(plugin, ...messages) {
      addLog(nameOf(plugin), "app", messages.map(textOf).join(" "));
    },
    error(plugin, ...messages) {
      addLog(nameOf(plugin), "stderr", messages.map(textOf).join(" "));
    },
    progress: showProgress,
    // Published plugins register their operations without a type, which imjoy-core asks for of late.
    register: (plugin, config) => startedImJoy().pm.registerService(plugin, { type: "operator", ...config }),
    exportFile,
    getFileUrl: (plugin, wanted) => filesOf(plugin || {}).getFileUrl(asPath(wanted)),
    requestUploadUrl: (plugin, wanted) => filesOf(plugin || {}).requestUploadUrl(asPath(wanted)),
    getFilePath: (plugin, wanted) => asPath(wanted).path,
    utils: {
      $forceUpdate() {
        if (core.imjoy) syncCards();
      },
    },
  };
}

/** @param {Caller} plugin */
const nameOf = (plugin) => (plugin && plugin.name) || "ImJoy";

/**
 * What a plugin says of its work stands on its card.
 *
 * @param {Caller} plugin
 * @param {Partial<Card>} note
 */
function noteOn(plugin, note) {
  const card = pluginNamed(nameOf(plugin));
  if (card) Object.assign(card, note);
}

/**
 * `value` is a share, up to 1, or a percentage.
 *
 * @param {Caller} plugin
 * @param {unknown} value
 */
function showProgress(plugin, value) {
  const number = Number(value) || 0;
  const percent = Math.min(100, number <= 1 ? number * 100 : number);
  noteOn(plugin, { percent: percent > 0 && percent < 100 ? percent : null });
}

/**
 * @param {any} message text, or {title, content}
 * @param {Caller} plugin
 * @returns {string}
 */
const titleOf = (message, plugin) => (message && message.title) || nameOf(plugin);

/** @param {unknown} message @returns {string} */
function textOf(message) {
  if (typeof message === "string") return withoutTags(message);
  if (message && typeof message === "object") {
    return "content" in message ? textOf(message.content) : JSON.stringify(message);
  }
  return String(message);
}

/**
 * Ask a form, or open a window as a dialog.
 *
 * @param {CorePlugin} plugin
 * @param {string | Wanted} config
 * @param {object} [more]
 */
async function showDialog(plugin, config, more) {
  /** @type {Wanted} */
  const wanted = { ...(typeof config === "string" ? { type: config } : config), ...more };
  const parts = parseFields(wanted);
  const isForm = /^(imjoy\/)?joy$/.test(wanted.type || "") || parts.length > 0;
  if (!isForm) return openWindow(plugin, wanted, { dialog: true });
  const answer = await ask(
    "form",
    { title: wanted.name || wanted.title || nameOf(plugin), parts, action: "OK" },
    nameOf(plugin),
  );
  if (answer === null) throw new Error("The dialog was cancelled.");
  return answer;
}

/**
 * Have a person choose files; returns their paths in the form that the plugin's version of the API has, null for none.
 *
 * @param {CorePlugin} plugin
 * @param {{title?: string, root?: string, type?: string, mode?: string | string[], uri_type?: string}} [config]
 */
async function showFileDialog(plugin, config = {}) {
  const chosen = await ask(
    "files",
    {
      title: config.title || "Choose a file",
      root: config.root || "",
      wanted: config.type || "any",
      multiple: String(config.mode || "").includes("multiple"),
      files: Vue.markRaw(filesOf(plugin || {})),
    },
    nameOf(plugin),
  );
  if (chosen === null) return null;
  const isNative = plugin?.type === "native-python";
  const path = chosen.length === 1 ? chosen[0] : chosen;
  if (isNative && isBefore(plugin.config.api_version, PATH_OBJECTS_SINCE)) return path;
  const files = filesOf(plugin || {});
  const answer = { path, engine: files.url, file_manager: files.url };
  if (config.uri_type !== "url" && (config.uri_type || isNative)) return answer;
  const urls = await Promise.all(chosen.map((one) => files.getFileUrl({ path: one })));
  return { ...answer, url: urls.length === 1 ? urls[0] : urls };
}

/**
 * A config without a version counts as the oldest.
 *
 * @param {string | undefined} version
 * @param {number[]} limit
 */
function isBefore(version, limit) {
  const parts = String(version || "0")
    .split(".")
    .map(Number);
  const index = limit.findIndex((part, i) => (parts[i] || 0) !== part);
  return index >= 0 && (parts[index] || 0) < limit[index];
}

/**
 * @param {Caller} plugin
 * @param {any} content a Blob, or what one is made of
 * @param {string} [name]
 */
function exportFile(plugin, content, name) {
  const blob = content instanceof Blob ? content : new Blob([content]);
  saveFile(blob, name || content?.name || content?._name || "export");
}

/** @param {WantedPath} wanted */
const asPath = (wanted) => (typeof wanted === "string" ? { path: wanted } : wanted);
