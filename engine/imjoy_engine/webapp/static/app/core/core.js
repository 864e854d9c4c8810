// imjoy-core and the engines, first of all the one that serves this page: start, connect, lose, connect again.

import { makeEngine } from "../../engine/engine.js";
import { EngineError, messageOf } from "../../engine/errors.js";
import { makeFileManager } from "../../engine/files.js";
import { readable } from "../model/errors.js";
import * as storage from "../model/storage.js";
import {
  clientId,
  environmentOf,
  forgetOtherEngine,
  home,
  knownOtherEngines,
  rememberOtherEngine,
  rememberToken,
  resourcesOf,
} from "../model/storage.js";
import { callsBefore, findRuns, putBack } from "./resumed_runs.js";
import { withDefaultVersion } from "./parse.js";
import { withPermissionChecks, permitStart, restoreGrants } from "./permissions.js";
import { addLog, addOutput, closeDialogsOf, pluginNamed, showSnackbar, state, writeLog } from "../model/state.js";

const { markRaw } = Vue;

/** @typedef {ReturnType<typeof makeEngine>["engine"]} Engine */
/** @typedef {ReturnType<typeof makeEngine>["client"]} Client */
/** @typedef {ReturnType<typeof makeFileManager>} FileManager */
/**
 * @typedef {{engine: Engine, client: Client, files: FileManager, watch: WebSocket | null, instance: string}} Connection
 *   `watch` hears that the engine stops, `instance` is of this start of it
 */
/**
 * What is told of engines (by their urls) and plugins (by their names).
 *
 * @typedef {object} Events
 * @property {[url: string]} connected
 * @property {[url: string]} lost
 * @property {[url: string, error: EngineError]} refused an engine besides our own takes its token no more
 * @property {[name: string, error: Error | null]} ended
 * @property {[name: string]} dropped the connection of one that has runs, which go on in the engine
 * @property {[name: string, time: number, write: () => void]} written a line of one that went on while this page was
 *   reloaded: it may be shown already
 */

/**
 * imjoy-core, once the page runs; `client`, `engine` and `files` of the engine that serves this page, while connected.
 *
 * @type {{imjoy: ImJoy | null, client: Client | null, engine: Engine | null, files: FileManager | null}}
 */
export const core = { imjoy: null, client: null, engine: null, files: null };

/** Every engine that is connected, by its url. @type {Map<string, Connection>} */
const connections = new Map();

/** @type {{[E in keyof Events]: ((...details: Events[E]) => void)[]}} */
const listeners = { connected: [], lost: [], ended: [], refused: [], dropped: [], written: [] };

/**
 * Call `handler` whenever an event is told.
 *
 * @template {keyof Events} E
 * @param {E} event
 * @param {(...details: Events[E]) => void} handler
 */
export function on(event, handler) {
  listeners[event].push(handler);
}

let settle = () => {};
/** @type {Promise<void>} */
const started = new Promise((resolve) => (settle = resolve));

/** Have who waits for the start go on: the page has started and tried to connect, or could not. */
export const tellStarted = () => settle();

/**
 * Wait until the page has started, and has tried to connect; returns whether an engine is connected, and tells the person
 * where none is.
 */
export async function isReady() {
  await started;
  if (!core.client) showSnackbar("No engine is connected. Connect, then load it again.");
  return Boolean(core.client);
}

/** imjoy-core. Throws where the page could not start it. */
export function startedImJoy() {
  if (!core.imjoy) throw new Error("The page could not start. Reload it.");
  return core.imjoy;
}

/** The HTTP API of the engine that serves this page. Throws while that is not connected. */
export function ownClient() {
  if (!core.client) throw new Error("No engine is connected.");
  return core.client;
}

/**
 * The files of the engine that a plugin, or its card, runs on; without one, our own engine's. Throws where none is connected.
 *
 * @param {PluginOwner} [owner]
 */
export function filesOf(owner = {}) {
  const connection = connectionOf(owner);
  if (!connection) throw new Error("No engine is connected.");
  return connection.files;
}

/**
 * @template {keyof Events} E
 * @param {E} event
 * @param {Events[E]} details
 */
function emit(event, ...details) {
  listeners[event].forEach((handler) => handler(...details));
}

/**
 * In a private window WebKit refuses to keep Blobs after a while only, and the transaction that tried never ends: imjoy-core's
 * store would wait for it for ever. Refused at once, it keeps no Blobs, which nothing here asks it to.
 */
function refuseBlobsAtOnce() {
  const put = IDBObjectStore.prototype.put;
  IDBObjectStore.prototype.put = function (/** @type {unknown} */ value, /** @type {IDBValidKey[]} */ ...key) {
    if (value instanceof Blob && this.name === "detect-blob-support") {
      throw new DOMException("no Blobs", "DataCloneError");
    }
    return put.call(this, value, ...key);
  };
}

/** What imjoy-core keeps of its own, which nobody needs at the next visit: a browser may have no IndexedDB for it. */
function inMemory() {
  /** @type {Map<string, {_id: string}>} */
  const documents = new Map();
  return {
    /** @param {string} id */
    async get(id) {
      const found = documents.get(id);
      if (!found) throw { name: "not_found" };
      return found;
    },
    /** @param {{_id: string}} document */
    async put(document) {
      documents.set(document._id, document);
    },
  };
}

/**
 * Start imjoy-core; `api` is what plugins may call of this page.
 *
 * @param {object} api
 */
export async function startCore(api) {
  refuseBlobsAtOnce();
  const imjoy = new imjoyCore.ImJoy({
    imjoy_api: api,
    default_base_frame: `${home}/frame.html`,
    default_rpc_base_url: `${home}/lib/`,
    flags: ["quiet"],
    engine_selector: selectEngine,
    config_db: inMemory(),
  });
  core.imjoy = markRaw(imjoy);
  restoreGrants();
  imjoy.pm.parsePluginCode = withDefaultVersion(imjoy.pm.parsePluginCode.bind(imjoy.pm));
  imjoy.pm.imjoy_api = withPermissionChecks(imjoy.pm.imjoy_api, imjoy.pm);
  // They are fetched from the network.
  imjoy.pm.internal_plugins = {};
  await imjoy.init();
  imjoy.pm.selected_workspace = state.workspace;
  // imjoy-core loads every plugin again on its own when an engine comes back; here the list of plugins does.
  imjoy.event_bus.off("engine_connected");
  imjoy.event_bus.off("engine_disconnected");
}

/**
 * Connect with `token`; remembers it when it works, and returns whether it did. `state.engine` says how it went.
 *
 * @param {string} token
 */
export async function connect(token) {
  await disconnect();
  state.engine = { phase: "connecting", status: null, error: null };
  try {
    Object.assign(core, await attach(home, token));
  } catch (error) {
    state.engine = { phase: "disconnected", status: null, error: readable(error, "The engine refused.") };
    if (isRefusal(error)) storage.forgetToken(token);
    return false;
  }
  rememberToken(token);
  state.engine.phase = "connected";
  emit("connected", home);
  return true;
}

/** Leave the engine; the plugins that may not be detached end with it. */
export async function disconnect() {
  if (!core.engine) return;
  core.client = core.engine = core.files = null;
  await detach(home);
  state.engine = { phase: "disconnected", status: null, error: null };
  emit("lost", home);
}

/**
 * Whether an engine takes our token no more.
 *
 * @param {unknown} error
 * @returns {error is EngineError}
 */
const isRefusal = (error) => error instanceof EngineError && error.status === 401;

/**
 * Ask for the token again, at once, of an engine that took it and does so no more.
 *
 * @param {string} url
 * @param {EngineError} error
 */
async function tokenRefused(url, error) {
  const connection = connections.get(url);
  if (!connection) return;
  if (url !== home) {
    await disconnectOther(url);
    emit("refused", url, error);
    return;
  }
  storage.forgetToken(connection.client.token);
  await disconnect();
  state.engine.error = readable(error, "The engine refused.");
}

/** Disconnect, and ask for the token the next time. */
export async function forgetToken() {
  storage.forgetToken();
  await disconnect();
}

/**
 * The url of an engine as we compare them: without what follows its path.
 *
 * @param {string} url
 */
function baseOf(url) {
  const { origin, pathname } = new URL(url);
  return origin + pathname.replace(/\/+$/, "");
}

/**
 * Connect to an engine besides the one that serves this page, and have plugins run there from now on. Throws where that fails.
 *
 * @param {{url: string, token: string}} engine
 */
export async function connectOther({ url, token }) {
  const place = baseOf(url);
  if (place === home) {
    await connect(token);
    return;
  }
  if (connections.has(place)) await disconnectOther(place);
  await attach(place, token);
  state.others.push({ url: place, phase: "connected", error: null });
  state.preferred = place;
  rememberOtherEngine({ url: place, token });
  emit("connected", place);
}

/**
 * Leave an engine besides our own, and forget it.
 *
 * @param {string} url
 */
export async function disconnectOther(url) {
  forgetOtherEngine(url);
  state.others = state.others.filter((other) => other.url !== url);
  if (state.preferred === url) state.preferred = home;
  await detach(url);
  emit("lost", url);
}

/** Connect to the other engines that this browser remembers; one that does not answer is left for the next visit. */
export async function reconnectOthers() {
  const preferred = state.preferred;
  for (const other of knownOtherEngines()) {
    try {
      await connectOther(other);
    } catch (error) {
      addLog("", "app", `${other.url}: ${messageOf(error)}`);
    }
  }
  state.preferred = preferred;
}

/** @typedef {{engineUrl?: string, engine?: {url: string} | null}} PluginOwner a card, or a plugin of imjoy-core's */

/**
 * The connection that a plugin's card, or a plugin of imjoy-core's, belongs to; where there is none, our own.
 *
 * @param {PluginOwner} owner
 */
export function connectionOf({ engineUrl, engine }) {
  return connections.get(engineUrl || engine?.url || home) || connections.get(home);
}

/** Whether an engine answers that plugins can be started on. */
export const isConnected = () => phaseOf(state.preferred)?.phase === "connected" || state.engine.phase === "connected";

/**
 * @param {string} url
 * @param {string} token
 * @returns {Promise<Connection>}
 */
async function attach(url, token) {
  const { engine, client } = makeEngine({
    url,
    token,
    client: clientId(),
    observer: observerOf(url),
    choose: ({ name }) => ({ ...chosenEnvironment(name), ...chosenResources(name, url) }),
    resuming: callsBefore,
    permit: permitStart,
    workspace: state.workspace,
  });
  const status = await client.status();
  if (url === home) {
    state.engine.status = status;
    state.command = status.command || "imjoy";
    storage.rememberCommand(state.command);
  }
  const imjoy = startedImJoy();
  await imjoy.em.register(engine);
  const files = makeFileManager({ client, name: engine.name, workspace: state.workspace });
  await imjoy.fm.register(files);
  /** @type {Connection} */
  const connection = { engine, client, files, watch: null, instance: status.instance };
  connections.set(url, connection);
  watch(url);
  return connection;
}

/**
 * Hear at once that an engine stops or takes our token no more; what imjoy-core asks now and then tells the rest.
 *
 * @param {string} url
 */
function watch(url) {
  const connection = connections.get(url);
  if (!connection) return;
  connection.watch = connection.client.watch((error, opened) => {
    if (connections.get(url) !== connection) return;
    if (opened) connection.watch = null;
    if (error) tokenRefused(url, error);
  });
}

/** @param {string} url */
async function detach(url) {
  const connection = connections.get(url);
  if (!connection) return;
  connections.delete(url);
  connection.watch?.close(1000);
  startedImJoy().fm.unregister(connection.files);
  await startedImJoy().em.unregister(connection.engine);
}

/**
 * What a person has said about where a plugin runs, as the engine takes it.
 *
 * @param {string} name
 */
function chosenEnvironment(name) {
  const env = environmentOf(name);
  const anyway = Boolean(pluginNamed(name)?.anyway);
  if (env === storage.NEWEST) return { as_of: "" };
  return env === null ? {} : { env, anyway };
}

/**
 * What a person has said that a plugin shall have of the cluster, where the engine has one.
 *
 * @param {string} name
 * @param {string} url
 */
function chosenResources(name, url) {
  const resources = url === home && state.engine.status?.cluster ? resourcesOf(name) : null;
  return resources ? { resources } : {};
}

/** @param {string} url */
const phaseOf = (url) => (url === home ? state.engine : state.others.find((other) => other.url === url));

/**
 * Where native plugins run: on the engine that the person chose, else on any that answers.
 *
 * @param {PluginTemplate} config
 * @param {(Engine & {connected?: boolean})[]} engines
 */
async function selectEngine(config, engines) {
  const usable = engines.filter(
    ({ pluginType, url }) => pluginType === config.type && phaseOf(url)?.phase === "connected",
  );
  const engine = usable.find(({ url }) => url === state.preferred) || usable[0];
  if (!engine) return null;
  // imjoy-core notes that an engine is back only after it has told everybody.
  engine.connected = true;
  return engine;
}

/** @param {string} url @returns {Observer} */
const observerOf = (url) => ({
  ...observer,

  onStatus(status, error) {
    const place = phaseOf(url);
    if (!place) return;
    if (isRefusal(error)) {
      tokenRefused(url, error);
      return;
    }
    const connection = connections.get(url);
    // One that stops and starts again in a moment is never seen to be gone.
    const isAnother = status && connection && connection.instance !== status.instance;
    if (isAnother) connection.instance = status.instance;
    if (place.phase === "connected" && isAnother) {
      emit("lost", url);
      emit("connected", url);
    } else if (place.phase === "connected" && error) {
      place.phase = "lost";
      place.error = readable(error, "The engine does not answer.");
      emit("lost", url);
    } else if (place.phase === "lost" && status) {
      place.phase = "connected";
      place.error = null;
      emit("connected", url);
    }
    if (status && connection && !connection.watch) watch(url);
    if (status && url === home) state.engine.status = status;
  },

  onStart(plugin, config, calls) {
    const card = pluginNamed(config.name);
    if (card) {
      const { id, attached, holds = 0 } = plugin;
      Object.assign(card, { engineUrl: url, engineId: id, attached, state: plugin.state });
      Object.assign(card, { holds: holds > 0, calls: markRaw(calls) });
      findRuns(card, plugin, connectionOf(card)?.client);
    }
  },

  onMiss(plugin, config) {
    const card = cardOf(plugin, config);
    if (!card || card.state === "stopped") return false;
    putBack(card);
    // To stop it now is to stop the one that is asked for.
    card.engineId = "";
    return true;
  },

  onDrop(plugin, config) {
    const card = cardOf(plugin, config);
    if (!card || card.state === "stopped") return false;
    // It begins again with its engine.
    if (card.state === "lost") return callsBefore(card.name).length > 0;
    if (!card.held.length) return false;
    putBack(card, true);
    Object.assign(card, { state: "loading", plugin: null, progress: null });
    closeDialogsOf(card.name);
    emit("dropped", card.name);
    return true;
  },
});

// What a connection is given up for by one of its ends: the process only ends with it.
const ENDED_BY_US = ["message.too-big", "plugin.no-answer"];

/** @type {Observer} */
const observer = {
  onBegin(config) {
    const card = pluginNamed(config.name);
    if (!card) return () => true;
    const { stops } = card;
    return () => card.state !== "stopped" && card.stops === stops;
  },

  onState(plugin, config) {
    const card = cardOf(plugin, config);
    // Who pressed Stop reads "Stopped", whichever is told first: the answer to Stop or the end.
    if (!card || card.state === "stopped") return;
    card.state = plugin.state;
    card.place = plugin.place || null;
    card.since = plugin.since;
    if (plugin.state !== "preparing") card.progress = null;
  },

  onProgress(plugin, progress, config) {
    const card = cardOf(plugin, config);
    if (card) card.progress = { text: progress.text, fraction: progress.fraction };
  },

  onLog(plugin, { stream, text, time }, config) {
    const write = () => writeLog(config.name, stream, text, time * 1000);
    if (plugin.resumed) emit("written", config.name, time * 1000, write);
    else write();
  },

  onEnd(plugin, error, config) {
    const card = plugin ? cardOf(plugin, config) : pluginNamed(config.name);
    if (!card) return;
    card.progress = null;
    card.plugin = null;
    card.endedAt = Date.now();
    if (error) {
      // The engine may tell that its process ended before the socket says why.
      const why = /** @type {{id?: string}} */ (error).id || "";
      const how = plugin && plugin.state === "exited" && !ENDED_BY_US.includes(why) ? "exited" : "failed";
      if (card.state !== "stopped") card.state = how;
      // That somebody stopped it is no error, unless it was running something.
      const isError = how === "failed" || card.runs > 0;
      card.error = isError ? readable(error, `${config.name} failed.`) : null;
      if (isError) addOutput({ plugin: config.name, kind: "error", error: card.error });
    }
    emit("ended", config.name, error);
  },
};

/**
 * The card of a plugin; null when another run of the same plugin has taken it over.
 *
 * @param {PluginRecord} plugin
 * @param {PluginConfig} config
 */
function cardOf(plugin, config) {
  const card = pluginNamed(config.name);
  return card && card.engineId === plugin.id ? card : null;
}
