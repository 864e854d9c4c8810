// imjoy-core and the engine that serves this page: start, connect, lose, connect again.

import { appApi } from "./api.js";
import { readable } from "./errors.js";
import { clientId, rememberToken } from "./memory.js";
import { addLog, addOutput, pluginNamed, state } from "./state.js";

const { markRaw } = Vue;

export const WORKSPACE = "default";

/** The parts that exist once the page runs; `link`, `engine` and `files` while there is a token that works. */
export const core = { imjoy: null, link: null, engine: null, files: null };

const listeners = { connected: [], lost: [], ended: [] };

/** Call `handler` when the engine is `connected` or `lost`, or a plugin has `ended` (its name, its error or null). */
export function on(event, handler) {
  listeners[event].push(handler);
}

function tell(event, ...details) {
  if (event === "lost") Object.assign(state, { statusText: "", progress: null });
  listeners[event].forEach((handler) => handler(...details));
}

export async function startCore() {
  const imjoy = new imjoyCore.ImJoy({
    imjoy_api: appApi(),
    default_base_frame: new URL("/frame.html", location.href).href,
    default_rpc_base_url: new URL("/lib/", location.href).href,
    flags: ["quiet"],
  });
  core.imjoy = markRaw(imjoy);
  // They are fetched from the network.
  imjoy.pm.internal_plugins = {};
  await imjoy.init();
  await imjoy.pm.loadWorkspace(WORKSPACE);
  await imjoy.pm.reloadDB();
  // imjoy-core loads every plugin again on its own when an engine comes back; here the list of plugins does.
  imjoy.event_bus.off("engine_connected");
  imjoy.event_bus.off("engine_disconnected");
  imjoy.event_bus.on("show_message", (message) => addLog("", "app", message));
}

/** Connect with `token`; remembers it when it works. Never throws: `state.engine` says how it went. */
export async function connect(token) {
  await disconnect();
  state.engine = { phase: "connecting", status: null, error: null };
  const { engine, link } = ImJoyEngine.makeEngine({
    url: location.origin,
    token,
    client: clientId(),
    observer,
    workspace: WORKSPACE,
  });
  try {
    state.engine.status = await link.status();
    await core.imjoy.em.register(engine);
  } catch (error) {
    state.engine = { phase: "disconnected", status: null, error: readable(error, "The engine refused.") };
    if (error.status === 401) rememberToken("");
    return;
  }
  rememberToken(token);
  core.link = link;
  core.engine = engine;
  core.files = ImJoyEngine.makeFileManager({ link, name: engine.name, workspace: WORKSPACE });
  await core.imjoy.fm.register(core.files);
  state.engine.phase = "connected";
  tell("connected");
}

/** Leave the engine; the plugins that may not be detached end with it. */
export async function disconnect() {
  if (!core.engine) return;
  const { engine, files } = core;
  core.link = core.engine = core.files = null;
  core.imjoy.fm.unregister(files);
  await core.imjoy.em.unregister(engine);
  state.engine = { phase: "disconnected", status: null, error: null };
  tell("lost");
}

/** Disconnect, and ask for the token the next time. */
export async function forgetToken() {
  rememberToken("");
  await disconnect();
}

const observer = {
  onStatus(status, error) {
    if (state.engine.phase === "connected" && error) {
      state.engine.phase = "lost";
      state.engine.error = readable(error, "The engine does not answer.");
      tell("lost");
    } else if (state.engine.phase === "lost" && status) {
      state.engine.phase = "connected";
      state.engine.error = null;
      tell("connected");
    }
    if (status) state.engine.status = status;
  },

  onState(plugin, config) {
    const card = pluginNamed(config.name);
    if (!card) return;
    card.engineId = plugin.id;
    card.state = plugin.state;
    card.attached = plugin.attached;
    if (plugin.state !== "preparing") card.progress = null;
  },

  onProgress(plugin, progress, config) {
    const card = cardOf(plugin, config);
    if (card) card.progress = { text: progress.text, fraction: progress.fraction };
  },

  onLog(plugin, { stream, text }, config) {
    addLog(config.name, stream, text);
  },

  onEnd(plugin, error, config) {
    const card = plugin ? cardOf(plugin, config) : pluginNamed(config.name);
    if (!card) return;
    card.progress = null;
    card.plugin = null;
    card.endedAt = Date.now();
    if (error) {
      card.state = plugin && plugin.state === "exited" ? "exited" : "failed";
      // That somebody stopped it is no error, unless it was at work.
      const isError = card.state === "failed" || card.runs > 0;
      card.error = isError ? readable(error, `${config.name} failed.`) : null;
      if (isError) addOutput({ plugin: config.name, kind: "error", error: card.error });
    }
    tell("ended", config.name, error);
  },
};

/** The card of a plugin; null when another run of the same plugin has taken it over. */
function cardOf(plugin, config) {
  const card = pluginNamed(config.name);
  return card && card.engineId === plugin.id ? card : null;
}
