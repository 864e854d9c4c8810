// What imjoy-core is given: a plugin engine for `imjoy.em.register` or `api.register`.

import { FINAL_STATES, EngineClient } from "./client.js";
import { EngineError, messageOf } from "./errors.js";
import { Session } from "./session.js";

/**
 * Make an engine; `client` is its HTTP API.
 *
 * @param {EngineOptions} options
 */
export function makeEngine(options) {
  const { url, token, client: clientId, name, factory, observer = {}, permit, workspace } = options;
  const { choose = () => ({}), resuming = () => [], announce = false } = options;
  const client = new EngineClient({ url, token, client: clientId });
  /** The plugins that we are connected with, by their ids. @type {Map<string, Session>} */
  const sessions = new Map();
  /** The last events that were heard of plugins whose connection broke, by their ids. @type {Map<string, string>} */
  const heard = new Map();

  /** @param {Session} session */
  const forget = (session) => {
    if (sessions.get(session.plugin.id) === session) sessions.delete(session.plugin.id);
  };

  /** @param {{id?: string, name?: string}} config */
  const sessionOf = (config) =>
    [...sessions.values()].find((session) => session.config.id === config.id) ||
    [...sessions.values()].find((session) => session.config.name === config.name);

  /** @param {PluginConfig} config */
  async function request(config) {
    const body = { tag: config.tag || undefined, workspace: workspace || config.workspace || "default" };
    Object.assign(body, choose(config));
    if (config.code) Object.assign(body, { source: config.code, file: `${config.name}.imjoy.html` });
    else Object.assign(body, { config: plainConfig(config), script: config.script || "" });
    const calls = resuming(config.name);
    if (!calls.length) return client.startPlugin(body);
    const plugin = await client.startPlugin({ ...body, resume: calls });
    return plugin.resumed ? { ...plugin, calls, after: heard.get(plugin.id) } : plugin;
  }

  /**
   * Begin a plugin, unless it is no longer wanted. What fails before it has a session, which would tell, is told here:
   * imjoy-core tells nobody.
   *
   * @param {PluginConfig} config
   * @param {AppApi} app
   * @param {PluginUtils | undefined} utils
   * @param {() => boolean} isWanted
   */
  async function begin(config, app, utils, isWanted) {
    try {
      if (permit) await permit(config);
      if (!isWanted()) throw stopped(config.name);
      const plugin = await request(config);
      if (!isWanted()) {
        await client.stopPlugin(plugin.id);
        throw stopped(config.name);
      }
      const session = new Session(client, plugin, config, app, utils, {
        ...observer,
        onEnd: (...args) => {
          forget(session);
          observer.onEnd?.(...args);
        },
        onMiss: (...args) => {
          forget(session);
          return Boolean(observer.onMiss?.(...args));
        },
        onDrop: (...args) => {
          forget(session);
          heard.set(plugin.id, session.lastEvent);
          return Boolean(observer.onDrop?.(...args));
        },
      });
      sessions.set(plugin.id, session);
      return session;
    } catch (error) {
      if (isWanted()) observer.onEnd?.(null, /** @type {Error} */ (error), config);
      throw error;
    }
  }

  /**
   * The functions of a plugin, once it has begun; anew where the run was gone for which it was to be taken over.
   *
   * @param {PluginConfig} config
   * @param {AppApi} app
   * @param {PluginUtils | undefined} utils
   * @param {() => boolean} isWanted
   * @returns {Promise<any>}
   */
  async function functionsOf(config, app, utils, isWanted) {
    const session = await begin(config, app, utils, isWanted);
    return session.api.catch((error) => {
      if (!session.missed) throw error;
      return functionsOf(config, app, utils, isWanted);
    });
  }

  const engine = {
    type: "engine",
    pluginType: "native-python",
    name: name || `ImJoy Plugin Engine (${new URL(client.url).host})`,
    url: client.url,
    icon: "🚀",
    lazy_connection: false,
    ...(factory ? { factory } : {}),

    async connect() {
      await client.status();
      return true;
    },

    async disconnect() {
      for (const session of sessions.values()) session.close();
    },

    async enable() {},
    async disable() {},

    /**
     * @param {PluginConfig} config
     * @param {AppApi} app
     * @param {PluginUtils} [utils]
     */
    async startPlugin(config, app, utils) {
      try {
        return await functionsOf(config, app, utils, observer.onBegin?.(config) || (() => true));
      } catch (error) {
        if (announce) app.showMessage?.(`${config.name}: ${messageOf(error)}`, 15);
        throw error;
      }
    },

    async heartbeat() {
      try {
        const status = await client.status();
        observer.onStatus?.(status, null);
        return true;
      } catch (error) {
        observer.onStatus?.(null, /** @type {Error} */ (error));
        return false;
      }
    },

    async getEngineStatus() {
      const { plugins, ...status } = await client.status();
      const running = plugins.filter((plugin) => plugin.pid);
      return {
        ...status,
        plugin_num: running.length,
        plugin_processes: running.map((plugin) => ({ name: plugin.name, pid: plugin.pid, id: plugin.id })),
      };
    },

    async getEngineConfig() {
      return {};
    },

    async listPlugins() {
      return (await client.status()).plugins;
    },

    /** @param {string | {id: string, name: string}} wanted */
    async getPlugin(wanted) {
      const named = typeof wanted === "string" ? { name: wanted, id: wanted } : wanted;
      const session = sessionOf(named) || sessions.get(named.id);
      return session ? session.api : null;
    },

    /** @param {PluginConfig} config */
    async killPlugin(config) {
      const session = sessionOf(config);
      if (!session) return false;
      await client.stopPlugin(session.plugin.id);
      return true;
    },

    /** @param {{id?: string, pid?: number}} process */
    async killPluginProcess(process) {
      const found = (await client.status()).plugins.find(
        (plugin) => plugin.id === process.id || plugin.pid === process.pid,
      );
      if (!found) return false;
      await client.stopPlugin(found.id);
      return true;
    },

    /**
     * @param {PluginConfig} config
     * @param {AppApi} app
     * @param {PluginUtils} [utils]
     */
    async restartPlugin(config, app, utils) {
      await engine.killPlugin(config);
      return engine.startPlugin(config, app, utils);
    },

    async resetEngine() {
      for (const plugin of (await client.status()).plugins) {
        if (!FINAL_STATES.includes(plugin.state)) await client.stopPlugin(plugin.id);
      }
    },

    async about() {
      const status = await client.status();
      return `ImJoy Plugin Engine ${status.version} at ${client.url}, workspace ${status.workspace}`;
    },
  };
  return { engine, client };
}

/** @param {string} name */
const stopped = (name) => new EngineError({ id: "plugin.gone", what: `${name} was stopped before it had started.` });

/**
 * The part of an app's plugin config that is data; the app adds functions and its own bookkeeping.
 *
 * @param {PluginConfig} config
 */
function plainConfig(config) {
  return JSON.parse(JSON.stringify(config, (key, value) => (key.startsWith("_") ? undefined : value)));
}
