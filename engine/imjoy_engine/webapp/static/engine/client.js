// The engine's HTTP API (docs/protocol.md), and its sockets.

import { EngineError, messageOf, refusal, tokenReplaced } from "./errors.js";
import { sleep, timeout } from "./timing.js";
import { localNetworkIsClosed, whyUnreachable } from "./unreachable.js";

const REQUEST_MILLISECONDS = 20000;
const EXAMINATION_MILLISECONDS = 120000;
/** The engine gives up first. */
const FETCH_MILLISECONDS = 60000;
/** Another program is asked, and asks the network. */
const UPKEEP_MILLISECONDS = 90000;
const RETRY_MILLISECONDS = [250, 500, 1000, 2000, 5000];
/** With which the engine closes a socket whose token is good no more. */
export const TOKEN_REPLACED = 4401;
/** The states of a plugin that has ended. */
export const FINAL_STATES = ["exited", "failed"];

/** An engine, as a page asks it. */
export class EngineClient {
  /** @param {{url: string, token: string, client?: string}} engine `client` is the id that this browser keeps */
  constructor({ url, token, client }) {
    this.url = url.replace(/\/+$/, "");
    this.token = token;
    this.client = client;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{body?: BodyInit, headers?: Record<string, string>, signal?: AbortSignal, keepalive?: boolean}} [options]
   */
  async fetch(method, path, { body, headers, signal, keepalive } = {}) {
    try {
      return await globalThis.fetch(this.url + path, {
        method,
        body,
        signal,
        keepalive,
        headers: { Authorization: `Bearer ${this.token}`, ...headers },
        cache: "no-store",
        credentials: "omit",
        referrerPolicy: "no-referrer",
      });
    } catch (error) {
      throw new EngineError({
        id: "engine.unreachable",
        what: "The engine does not answer.",
        ...whyUnreachable(this.url, messageOf(error), await localNetworkIsClosed()),
      });
    }
  }

  /**
   * Ask for JSON. Throws an EngineError for anything but success.
   *
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @param {number} [milliseconds] how long it may take
   * @returns {Promise<any>}
   */
  async json(method, path, body, milliseconds = REQUEST_MILLISECONDS) {
    const response = await this.fetch(method, path, {
      body: body === undefined ? undefined : JSON.stringify(body),
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      signal: timeout(milliseconds),
    });
    if (!response.ok) throw await refusal(response);
    return response.status === 204 ? null : response.json();
  }

  /** @returns {Promise<EngineStatus>} */
  status() {
    return this.json("GET", "/api/v1/status");
  }

  /** The end of the engine's log. @returns {Promise<{records: LogRecord[]}>} */
  log() {
    return this.json("GET", "/api/v1/log");
  }

  /**
   * Have the engine's machine examined by the doctor.
   *
   * @param {boolean} offline whether to skip what needs a network
   */
  examine(offline) {
    return this.json("POST", `/api/v1/doctor${offline ? "?offline=1" : ""}`, undefined, EXAMINATION_MILLISECONDS);
  }

  /**
   * A first plugin, as `imjoy new` writes it.
   *
   * @param {string} name
   * @returns {Promise<{file: string, source: string}>}
   */
  template(name) {
    return this.json("GET", `/api/v1/template?name=${encodeURIComponent(name)}`);
  }

  /** The list of public plugins. @returns {Promise<PublicList>} */
  publicList() {
    return this.json("GET", "/api/v1/gallery", undefined, FETCH_MILLISECONDS);
  }

  /** @param {string} url where the list of public plugins comes from; empty for none */
  choosePublicList(url) {
    return this.json("PUT", "/api/v1/gallery", { url });
  }

  /**
   * The file of a plugin of the public list.
   *
   * @param {string} uri
   */
  async publicSource(uri) {
    const response = await this.fetch("GET", `/api/v1/gallery/source?uri=${encodeURIComponent(uri)}`, {
      signal: timeout(FETCH_MILLISECONDS),
    });
    if (!response.ok) throw await refusal(response);
    return response.text();
  }

  stopEngine() {
    return this.json("POST", "/api/v1/stop");
  }

  /** Whether the engine starts at login. @returns {Promise<{autostart: boolean}>} */
  autostart() {
    return this.json("GET", "/api/v1/autostart", undefined, UPKEEP_MILLISECONDS);
  }

  /** @param {boolean} autostart @returns {Promise<{autostart: boolean}>} */
  setAutostart(autostart) {
    return this.json("PUT", "/api/v1/autostart", { autostart }, UPKEEP_MILLISECONDS);
  }

  /** Whether a newer imjoy is available. @returns {Promise<{available: boolean | null, version: string, new_id: string, source: string, command: string}>} */
  findUpgrade() {
    return this.json("GET", "/api/v1/upgrade", undefined, UPKEEP_MILLISECONDS);
  }

  beginUpgrade() {
    return this.json("POST", "/api/v1/upgrade");
  }

  /** The result of the last upgrade; null while it is running. @returns {Promise<{outcome: any}>} */
  upgradeOutcome() {
    return this.json("GET", "/api/v1/upgrade/outcome");
  }

  restartEngine() {
    return this.json("POST", "/api/v1/restart");
  }

  /**
   * @param {string} id
   * @returns {Promise<PluginRecord>}
   */
  plugin(id) {
    return this.json("GET", pluginPath(id));
  }

  /**
   * A plugin once it has ended, or as it is after `milliseconds`; null where the engine knows it no more.
   *
   * @param {string} id
   * @param {number} milliseconds
   * @returns {Promise<PluginRecord | null>}
   */
  async ended(id, milliseconds) {
    /** @type {{plugins: PluginRecord[]}} */
    const { plugins } = await this.json("GET", "/api/v1/plugins");
    let plugin = plugins.find((each) => each.id === id) || null;
    if (plugin && !FINAL_STATES.includes(plugin.state)) {
      await this.follow(id, timeout(milliseconds), (type, data) => {
        if (type === "state") plugin = data;
      });
    }
    return plugin;
  }

  /**
   * @param {object} body
   * @returns {Promise<PluginRecord>}
   */
  startPlugin(body) {
    return this.json("POST", "/api/v1/plugins", { ...body, client: this.client });
  }

  /** @param {string} id */
  stopPlugin(id) {
    return this.json("DELETE", pluginPath(id));
  }

  /**
   * @param {string} id
   * @param {string | null} [call] one of before this page was reloaded
   */
  socket(id, call) {
    return this._open(`${pluginPath(id)}/rpc${call ? `?resume=${encodeURIComponent(call)}` : ""}`);
  }

  /**
   * Call `closed(error, opened)` once the engine has parted from us; `error` is set where it refuses our token by now. One
   * older than 0.12 never opens.
   *
   * @param {(error: EngineError | null, opened: boolean) => void} closed
   */
  watch(closed) {
    const socket = this._open("/api/v1/watch");
    let opened = false;
    socket.addEventListener("open", () => (opened = true));
    socket.addEventListener("close", ({ code }) => closed(code === TOKEN_REPLACED ? tokenReplaced() : null, opened));
    return socket;
  }

  /** @param {string} path */
  _open(path) {
    const socket = new WebSocket(this.url.replace(/^http/, "ws") + path, ["imjoy.v1", `bearer.${this.token}`]);
    socket.binaryType = "arraybuffer";
    return socket;
  }

  /**
   * Follow a plugin's events until its final state or until `signal` is aborted; survives a lost connection. Over a socket:
   * the few connections that a browser opens to one host are for requests.
   *
   * @param {string} id
   * @param {AbortSignal} signal
   * @param {(type: string, data: any, id: string) => void} onEvent
   * @param {string} [after] the id of the last event that is known; all are told without one
   */
  async follow(id, signal, onEvent, after = "") {
    let lastId = after;
    let isOver = false;
    for (let attempt = 0; !signal.aborted; attempt++) {
      const socket = this._open(`${pluginPath(id)}/events${lastId && `?after=${lastId}`}`);
      socket.addEventListener("message", ({ data }) => {
        const event = JSON.parse(data);
        attempt = 0;
        lastId = event.id;
        isOver = event.type === "state" && FINAL_STATES.includes(event.data.state);
        if (!signal.aborted) onEvent(event.type, event.data, event.id);
      });
      const code = await closeOf(socket, signal);
      if (signal.aborted || isOver || code === TOKEN_REPLACED) return;
      try {
        await this.plugin(id);
      } catch (error) {
        // The engine knows it no more; otherwise it does not answer for now.
        if (error instanceof EngineError && error.status) return;
      }
      await sleep(RETRY_MILLISECONDS[Math.min(attempt, RETRY_MILLISECONDS.length - 1)]);
    }
  }
}

/**
 * The code with which a socket closes; it is closed by us when `signal` is aborted.
 *
 * @param {WebSocket} socket
 * @param {AbortSignal} signal
 * @returns {Promise<number>}
 */
function closeOf(socket, signal) {
  return new Promise((resolve) => {
    const close = () => socket.close(1000);
    signal.addEventListener("abort", close);
    socket.addEventListener("close", ({ code }) => {
      signal.removeEventListener("abort", close);
      resolve(code);
    });
  });
}

/** @param {string} id */
const pluginPath = (id) => `/api/v1/plugins/${encodeURIComponent(id)}`;

/** An id that this browser keeps: the engine finds the plugins that it started by it. */
export function newClientId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Return an engine's url with its scheme: `127.0.0.1:8080` is what people type.
 *
 * @param {string} typed
 */
export function completeUrl(typed) {
  const url = typed.trim().replace(/\/+$/, "");
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(url) ? url : `http://${url}`;
}
