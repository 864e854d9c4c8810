// What plugins may do with the engine. A native plugin runs with the person's rights anyway. A web plugin gets the
// engine's files, the engine and its plugins, and the loading of native code only after the person said so, for it.

import { forgetGrant, knownGrants, rememberGrant } from "../model/storage.js";
import { ask, state } from "../model/state.js";

/** @typedef {"files" | "engine"} Kind of permission */
/** @typedef {{name?: string, type?: string}} Named a plugin, or the config of one */

/** What is asked for, in words that follow "may not" and "asks to". @type {Record<Kind, string>} */
const DESCRIPTIONS = {
  files: "read, change and delete the files of the engine's work folder",
  engine: "start, call and stop native plugins, which run programs as you, with your files",
};

/** What a web plugin calls unasked. What stands neither here nor in REQUIRED_PERMISSIONS, it cannot call. */
const ALWAYS_ALLOWED = [
  ...["alert", "confirm", "echo", "error", "exportFile", "getAttachment", "getConfig", "getFilePath", "getWindow"],
  ...["log", "onClose", "progress", "prompt", "setConfig", "showDialog", "showMessage", "showProgress"],
  ...["showSnackbar", "showStatus"],
  // The person chooses the file, which is the permission to read it.
  "showFileDialog",
  // These look at what is wanted: `checksFor`.
  ...["call", "createWindow", "getPlugin", "getServices", "loadPlugin", "register", "registerService", "run"],
  ...["unregister", "unregisterService"],
];
/** @type {Record<string, Kind>} */
const REQUIRED_PERMISSIONS = {
  ...{ getFileManager: "files", getFileUrl: "files", requestUploadUrl: "files" },
  ...{ getEngine: "engine", getEngineFactory: "engine", installPlugin: "engine", uninstallPlugin: "engine" },
};
/** The pickers are the browser's, which asks by itself. */
const ALLOWED_UTILITIES = [
  "$forceUpdate",
  "openUrl",
  "showDirectoryPicker",
  "showOpenFilePicker",
  "showSaveFilePicker",
  "sleep",
];
/** A web plugin that stood for one of these would be given what is meant for the engine. */
const ENGINE_SERVICES = ["engine", "engine-factory", "file-manager"];
/** What a window is opened with. Anything else would overwrite what its plugin is known by. */
const WINDOW_OPTIONS = [
  ...["as_dialog", "config", "data", "dialog", "fullscreen", "h", "i", "name", "namespace", "panel", "passive"],
  ...["scroll", "src", "standalone", "tag", "title", "type", "ui", "w", "window_id", "x", "y"],
];
const ADDRESS = /https?:\/\//i;

/** The sources that start as native plugins unasked: the person loaded them, or a plugin that may. @type {Set<string>} */
const approved = new Set();
/** What the person refused during this visit. @type {Set<string>} */
const refused = new Set();
/** The questions that are open. @type {Map<string, Promise<boolean>>} */
const questions = new Map();

class PermissionError extends Error {
  /** @param {Named} plugin @param {string} action @param {string} why */
  constructor(plugin, action, why) {
    const what = `${plugin.name || "A plugin"} may not ${action}.`;
    super(`${what} ${why}`);
    Object.assign(this, { name: "PermissionError", id: "plugin.permission", what, why, fix: "" });
  }
}

/**
 * Let `source` start: the person loads it.
 *
 * @param {string} source
 */
export function approve(source) {
  approved.add(source);
}

/**
 * Return when the native plugin `config` may start; asks where nobody approved it, and throws when the answer is no.
 *
 * @param {PluginConfig} config
 */
export async function permitStart(config) {
  const { code = "" } = config;
  if (approved.has(code)) return;
  const answer = await ask("confirm", {
    title: `Load ${config.name}?`,
    text: `Another plugin wants to load ${config.name}, a native Python plugin. It would run as you, with your files.`,
    action: "Load",
  });
  if (!answer) throw new PermissionError(config, "be loaded", "You did not allow it.");
  approve(code);
}

/**
 * Return imjoy-core's side of the plugin API with each function behind the checks above.
 *
 * @param {CoreApi} api
 * @param {PluginManager} pm
 * @returns {CoreApi}
 */
export function withPermissionChecks(api, pm) {
  const checks = checksFor(api, pm);
  const result = /** @type {CoreApi} */ ({ ...api, utils: {} });
  for (const [name, plain] of Object.entries(api)) {
    if (typeof plain === "function") result[name] = withCheck(name, plain, checks[name] || plain);
  }
  for (const [name, plain] of Object.entries(api.utils)) result.utils[name] = withUtilityCheck(name, plain);
  return result;
}

/**
 * @param {string} name
 * @param {ApiFunction} plain
 * @param {ApiFunction} checked
 * @returns {ApiFunction}
 */
function withCheck(name, plain, checked) {
  return async (plugin, ...args) => {
    // imjoy-core itself calls without a plugin.
    if (!plugin) return plain(plugin, ...args);
    if (!isNative(plugin)) {
      if (REQUIRED_PERMISSIONS[name]) await requirePermission(plugin, REQUIRED_PERMISSIONS[name]);
      else if (!ALWAYS_ALLOWED.includes(name)) {
        throw new PermissionError(plugin, `call api.${name}`, "This page does not offer it.");
      }
    }
    return checked(plugin, ...args);
  };
}

/** @param {string} name @param {ApiFunction} plain @returns {ApiFunction} */
function withUtilityCheck(name, plain) {
  return (plugin, ...args) => {
    if (plugin && !isNative(plugin)) {
      if (!ALLOWED_UTILITIES.includes(name)) {
        throw new PermissionError(plugin, `call api.utils.${name}`, "This page does not offer it.");
      }
      if (name === "openUrl" && !/^https?:/i.test(String(args[0]))) {
        throw new PermissionError(plugin, "open that address", "It is neither http nor https.");
      }
    }
    return plain(plugin, ...args);
  };
}

/** @param {CorePlugin} plugin */
const isNative = (plugin) => plugin.type === "native-python" && Boolean(plugin.engine);

/**
 * The calls that depend on what is wanted.
 *
 * @param {CoreApi} api
 * @param {PluginManager} pm
 * @returns {Record<string, ApiFunction>}
 */
function checksFor(api, pm) {
  /** @param {string} name */
  const isNativeName = (name) => Boolean(pm.plugin_names[name]) && isNative(pm.plugin_names[name]);
  /** @param {Service} service */
  const isNativeService = ({ providerId }) => Boolean(pm.plugins[providerId]) && isNative(pm.plugins[providerId]);

  /**
   * Have a source, or what an address leads to, start as a native plugin only when `plugin` may do that.
   *
   * @param {CorePlugin} plugin
   * @param {Wanted} wanted
   */
  async function mayLoad(plugin, { src, uri, tag }) {
    const wanted = String(src || uri);
    const isSource = wanted.includes("\n");
    // Any other address is a page, which is shown in a frame.
    if (!isSource && ADDRESS.test(wanted) && !/\.imjoy\.html($|[?#])|github\.com/i.test(wanted)) return;
    const config = isSource ? pm.parsePluginCode(wanted, { tag }) : await pm.getPluginFromUrl(wanted);
    if (config.type !== "native-python") return;
    if (!isNative(plugin)) await requirePermission(plugin, "engine");
    approve(config.code || "");
  }

  /** @param {string} name @returns {ApiFunction} */
  const find = (name) => async (plugin, wanted, more) => {
    /** @type {Wanted} */
    const config = { ...asConfig(wanted), ...more };
    // It would run one plugin's code in the place of another, with what that one may do.
    if (!isNative(plugin)) delete config.hot_reloading;
    if (config.src) await mayLoad(plugin, config);
    const found = pm.plugins[String(config.id)] || pm.plugin_names[String(config.name)];
    const asks = !config.src && found && isNative(found) && !isNative(plugin);
    if (asks) await requirePermission(plugin, "engine");
    const result = await api[name](plugin, config);
    const nativeOnes = Object.values(pm.plugins).filter(isNative);
    return !isNative(plugin) && nativeOnes.some((one) => one.api === result)
      ? revocable(plugin, "engine", result)
      : result;
  };

  /** @param {string} name @returns {ApiFunction} */
  const callByName =
    (name) =>
    async (plugin, wanted, ...args) => {
      if (!isNative(plugin) && isNativeName(wanted)) await requirePermission(plugin, "engine");
      return api[name](plugin, wanted, ...args);
    };

  /** @param {string} name @returns {ApiFunction} */
  const register = (name) => (plugin, config) => {
    if (!isNative(plugin) && ENGINE_SERVICES.includes(config?.type)) {
      throw new PermissionError(plugin, `register a service of type ${config.type}`, "This page has its own.");
    }
    return api[name](plugin, config);
  };

  /** @param {string} name @returns {ApiFunction} */
  const unregister = (name) => (plugin, config) => {
    const known = config ? pm.service_registry[config.id ?? config.name ?? config] : null;
    const isOthers = ENGINE_SERVICES.includes(config?.type) || (known && known.providerId !== plugin.id);
    if (!isNative(plugin) && isOthers) {
      throw new PermissionError(plugin, "end that service", "It was not registered by this plugin.");
    }
    return api[name](plugin, config);
  };

  /** @param {string} name @returns {ApiFunction} */
  const lend = (name) => async (plugin, url) => {
    const found = await api[name](plugin, url);
    return isNative(plugin) ? found : revocable(plugin, REQUIRED_PERMISSIONS[name], found);
  };

  return {
    getPlugin: find("getPlugin"),
    loadPlugin: find("loadPlugin"),
    async createWindow(plugin, wanted, more) {
      const config = { ...asConfig(wanted), ...more };
      if (config.src) await mayLoad(plugin, config);
      if (isNative(plugin)) return api.createWindow(plugin, wanted, more);
      const options = Object.entries(config).filter(([name]) => WINDOW_OPTIONS.includes(name));
      return api.createWindow(plugin, Object.fromEntries(options));
    },
    async installPlugin(plugin, config) {
      await mayLoad(plugin, config);
      return api.installPlugin(plugin, config);
    },
    call: callByName("call"),
    run: callByName("run"),
    async getServices(plugin, wanted) {
      /** @type {Service[]} */
      const services = await api.getServices(plugin, wanted);
      const all = isNative(plugin) || (await isAllowed(plugin, "engine"));
      return all ? services : services.filter((service) => !isNativeService(service));
    },
    getFileManager: lend("getFileManager"),
    getEngine: lend("getEngine"),
    getEngineFactory: lend("getEngineFactory"),
    register: register("register"),
    registerService: register("registerService"),
    unregister: unregister("unregister"),
    unregisterService: unregister("unregisterService"),
  };
}

/**
 * What a text stands for, as imjoy-core reads it: a source or an address, else a plugin's name.
 *
 * @param {string | Wanted} wanted
 * @returns {Wanted}
 */
function asConfig(wanted) {
  if (typeof wanted !== "string") return wanted;
  const isPlace = wanted.includes("\n") || ADDRESS.test(wanted) || (wanted.includes("/") && wanted.includes(":"));
  return isPlace ? { src: wanted } : { name: wanted, type: wanted };
}

/**
 * The functions of `api`, each for as long as `plugin` is allowed to call them.
 *
 * @param {CorePlugin} plugin
 * @param {Kind} kind
 * @param {Remote} api
 * @returns {Remote}
 */
function revocable(plugin, kind, api) {
  const wrapped = Object.entries(api).map(([name, value]) => {
    if (typeof value !== "function") return [name, value];
    const call = async (/** @type {unknown[]} */ ...args) => {
      if (!(await isAllowed(plugin, kind))) {
        throw new PermissionError(plugin, DESCRIPTIONS[kind], "You took this permission back.");
      }
      return value(...args);
    };
    return [name, call];
  });
  return Object.fromEntries(wrapped);
}

/**
 * What a plugin is known by: its code, to the letter; a page in a frame by its site.
 *
 * @param {CorePlugin} plugin
 */
async function identityOf({ config }) {
  if (!config.code) return `site:${new URL(String(config.base_frame || config.base_worker), location.href).origin}`;
  // Browsers hash on https and on the own machine only; elsewhere what is allowed lasts as long as the page.
  if (!crypto.subtle) return `code:${config.code}`;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(config.code));
  return `sha256:${Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** @param {string} identity @param {Kind} kind */
const isGranted = (identity, kind) =>
  // Who has programs run reads files by that as well.
  state.grants.some((grant) => grant.identity === identity && (grant.kind === kind || grant.kind === "engine"));

/** @param {CorePlugin} plugin @param {Kind} kind */
const isAllowed = async (plugin, kind) => isGranted(await identityOf(plugin), kind);

/**
 * Return when the person allows, or has allowed, what `kind` stands for; throw when not.
 *
 * @param {CorePlugin} plugin
 * @param {Kind} kind
 */
async function requirePermission(plugin, kind) {
  const identity = await identityOf(plugin);
  if (isGranted(identity, kind)) return;
  const key = `${kind} ${identity}`;
  if (!refused.has(key)) {
    if (!questions.has(key)) {
      questions.set(
        key,
        askPermission(plugin, kind, identity).finally(() => questions.delete(key)),
      );
    }
    if (await questions.get(key)) return;
    refused.add(key);
  }
  throw new PermissionError(
    plugin,
    DESCRIPTIONS[kind],
    "You did not allow it. It may ask again after the page is loaded again.",
  );
}

/** @param {CorePlugin} plugin @param {Kind} kind @param {string} identity */
async function askPermission(plugin, kind, identity) {
  const answer = await ask("confirm", {
    title: `Allow ${plugin.name}?`,
    text:
      `${plugin.name} is a plugin of type ${plugin.type}. It asks to ${DESCRIPTIONS[kind]}.\n` +
      "Your answer is saved for exactly this plugin. The button at the top right takes it back.",
    action: "Allow",
  });
  if (!answer) return false;
  const grant = { identity, kind, name: plugin.name };
  state.grants.push(grant);
  if (!identity.startsWith("code:")) rememberGrant(grant);
  return true;
}

/** Read what was allowed at earlier visits. */
export function restoreGrants() {
  state.grants = knownGrants();
}

/**
 * Take a permission back; what the plugin holds by it answers no more.
 *
 * @param {Grant} grant
 */
export function revoke(grant) {
  state.grants = state.grants.filter(({ identity, kind }) => identity !== grant.identity || kind !== grant.kind);
  forgetGrant(grant);
}
