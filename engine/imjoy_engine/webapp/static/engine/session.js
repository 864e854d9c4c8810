// One plugin that runs in the engine.
//
// Needs the global `imjoyRPC` (imjoy-rpc) while it loads; held from there on, as imjoy-core deletes it when it loads a web plugin.

import { FINAL_STATES, TOKEN_REPLACED } from "./client.js";
import { Connection } from "./connection.js";
import { EngineError, messageOf, tokenReplaced } from "./errors.js";
import { sleep } from "./timing.js";

const { imjoyRPC } = globalThis;

const LAST_WORDS_MILLISECONDS = 2000;
const LOOK_MILLISECONDS = 20000;
const LOOKS_BEFORE_LOST = 3;
/** A plugin whose script has run hands over its functions within this time; it takes milliseconds. */
const ANSWER_MILLISECONDS = 60000;
const ENGINE_STOPS = 1001;
const NOT_ALLOWED = 1008;
const TOO_BIG = 1009;
const SILENT = 4408;
const ENDED = 4410;
/** Said to who comes back for a call of which nothing is left. */
const TOO_LATE = 4411;
/** The codes after which nothing of a call goes on. */
const ENDS = [ENGINE_STOPS, NOT_ALLOWED, TOO_BIG, TOKEN_REPLACED, SILENT, ENDED, TOO_LATE];
/** The id of the app's functions: the same after a reload, so that what a plugin calls is found again. */
const APP_OBJECT = "imjoy-app";

/** Under this key the argument of a call has the call's id. Such a call goes on where its page is reloaded. */
export const CALL = Symbol("call");
const ABNORMAL_CLOSE = 1006;

// imjoy-rpc sends the whole buffer under a typed array, also where the array is a part of it.
const TYPED_ARRAY_CODEC = {
  type: Object.getPrototypeOf(Uint8Array),
  /** @param {Uint8Array<ArrayBuffer>} array or another typed array */
  encoder: (array) => ({
    _rtype: "typedarray",
    _rvalue: new Uint8Array(array.buffer, array.byteOffset, array.byteLength),
    _rdtype: array.constructor.name.replace("Array", "").replace("Clamped", "").toLowerCase(),
  }),
};

/** @typedef {(value: any) => void} Settle */

/**
 * A function that is called once, as imjoy-rpc sends it.
 *
 * @param {string} id
 */
const callbackOf = (id) => ({ _rtype: "callback", _rname: id, _rvalue: id });

/** @param {string} name */
const neverBegan = (name) =>
  new EngineError({
    id: "plugin.gone",
    what: `The run of ${name} had not started when its connection ended.`,
    why: "Its input had not reached the plugin yet.",
    fix: "Run it again.",
  });

/** A plugin that runs in the engine, from the request to start it until its socket closes. */
export class Session {
  /**
   * @param {import("./client.js").EngineClient} client
   * @param {PluginRecord} plugin
   * @param {PluginConfig} config
   * @param {AppApi} app
   * @param {PluginUtils | undefined} utils
   * @param {Observer} observer
   */
  constructor(client, plugin, config, app, utils, observer) {
    this.client = client;
    this.plugin = plugin;
    this.config = config;
    this.utils = utils;
    this.observer = observer;
    /** What waits for an answer of the plugin's. @type {Set<(error: Error) => void>} */
    this._pending = new Set();
    this._following = new AbortController();
    /** @type {Promise<void>} */
    this._final = new Promise((resolve) => (this._announceFinal = resolve));
    this.closed = false;
    /** Whether it came too late for the calls of before, and the plugin is to be begun anew. */
    this.missed = false;
    this._ended = false;
    /** The calls with an id, until they are confirmed. @type {Map<string, {resolve: Settle, reject: Settle, over: boolean}>} */
    this._calls = new Map();
    /** What a plugin has asked, until it has asked again what it may. @type {Set<string> | null} */
    this._asked = new Set();
    this._spoken = false;
    this._closeReason = "";
    this._closeCode = 0;
    /** @type {EngineError | null} */
    this._error = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._answer = undefined;
    /** The plugin's functions. @type {Promise<any>} */
    this.api = new Promise((resolve, reject) => {
      this._resolve = resolve;
      this._reject = reject;
    });
    this.api.catch(() => {});
    const { calls = [], holds = 0, after = "" } = plugin;
    /** The id of the last event that was told. */
    this.lastEvent = after;
    this._holds = holds > 0;
    /** What the calls of before come to, by their ids. @type {Map<string, Promise<unknown>>} */
    this.outcomes = new Map(calls.map((call) => [call, this._pend(this._outcomeOf(call))]));
    // They are looked at once the plugin is there.
    for (const outcome of this.outcomes.values()) outcome.catch(() => {});
    observer.onStart?.(plugin, config, this);
    const onEvent = (/** @type {string} */ type, /** @type {any} */ data, /** @type {string} */ id) => {
      this.lastEvent = id;
      this._onEvent(type, data);
    };
    client.follow(plugin.id, this._following.signal, onEvent, after);
    this._socket = client.socket(plugin.id, plugin.call);
    this._connection = new Connection(this._socket);
    this._socket.addEventListener("close", (event) => this._onClose(event));
    this._unanswered = 0;
    this._looking = setInterval(() => this._look(), LOOK_MILLISECONDS);
    this._speak(app, calls);
  }

  /**
   * While something is awaited, ask now and then whether the engine still has this connection. After a laptop's sleep,
   * or behind a tunnel that hangs, the socket itself never tells.
   */
  async _look() {
    if (this._pending.size === 0 || this._socket.readyState !== WebSocket.OPEN) return;
    try {
      const plugin = await this.client.plugin(this.plugin.id);
      this._unanswered = 0;
      if (plugin.clients === 0) this._lose("The engine did not hear from this page for too long.");
    } catch (error) {
      this._unanswered += 1;
      const isRefused = error instanceof EngineError && error.status;
      if (isRefused || this._unanswered === LOOKS_BEFORE_LOST) this._lose(messageOf(error));
    }
  }

  /**
   * Give up a socket that does not know yet that it is closed.
   *
   * @param {string} reason
   */
  _lose(reason) {
    this._socket.close();
    this._onClose({ code: ABNORMAL_CLOSE, reason });
  }

  /**
   * @param {AppApi} app
   * @param {string[]} calls that go on, of before this page was reloaded
   */
  _speak(app, calls) {
    const rpc = new imjoyRPC.RPC(this._connection, { name: this.config.name }, { typedarray: TYPED_ARRAY_CODEC });
    this._guard(rpc, "_genRemoteMethod");
    this._guard(rpc, "_genRemoteCallback");
    rpc.on("remoteBusy", () => this.utils?.setPluginStatus?.({ running: true }));
    rpc.on("remoteIdle", () => this.utils?.setPluginStatus?.({ running: false }));
    this._connection.take = (message) =>
      this._takeOutcome(rpc, message) || (calls.length > 0 && this._isOld(rpc, message));
    const begin = () => {
      rpc.setInterface({ ...app, _rintf: APP_OBJECT });
      rpc.sendInterface();
    };
    if (calls.length) {
      // The numbers of the page before are not given again.
      const id = Date.now();
      rpc._store._indices = [id];
      begin();
      this._connection.on("saidAgain", (message) => {
        // Another one may be of a page between.
        if (message.id === id) this._asked = null;
      });
      this._connection.emit({ type: "resumed", calls, id });
    } else {
      this._connection.once("initialized", begin);
    }
    rpc.once("interfaceSetAsRemote", () => rpc.requestRemote());
    rpc.on("remoteReady", () => {
      clearTimeout(this._answer);
      this._answer = undefined;
      this._spoken = true;
      this._resolve?.(this._decorate(rpc.getRemote()));
    });
  }

  /** Its script has run: what is left is the hand-shake, which a plugin that blocks never gets to. */
  _awaitAnswer() {
    if (this._spoken || this._answer || this._ended || this.plugin.resumed) return;
    this._answer = setTimeout(() => {
      this._error = new EngineError({
        id: "plugin.no-answer",
        what: `${this.plugin.name} did not start within ${ANSWER_MILLISECONDS / 1000} s.`,
        why: "Its script has run, but it did not export its functions.",
        fix: "See its log. A script that computes for a long time should do so in setup() or run().",
      });
      this._lose("");
    }, ANSWER_MILLISECONDS);
  }

  /**
   * Make what imjoy-rpc generates fail when the plugin goes away; by itself it would wait for ever.
   *
   * @param {any} rpc
   * @param {"_genRemoteMethod" | "_genRemoteCallback"} generator
   */
  _guard(rpc, generator) {
    const generate = rpc[generator];
    rpc[generator] = (/** @type {unknown[]} */ ...args) => {
      const call = generate.apply(rpc, args);
      const guarded = (/** @type {any[]} */ ...values) => {
        if (this.closed) return Promise.reject(this._goneError());
        const id = generator === "_genRemoteMethod" && this._holds && values[0]?.[CALL];
        return this._pend(id ? this._callWithId(rpc, id, args, values) : call(...values));
      };
      return Object.assign(guarded, { __remote_method: call.__remote_method });
    };
  }

  /**
   * What `outcome` becomes, or the error with which the plugin goes away.
   *
   * @param {unknown} outcome
   * @returns {Promise<unknown>}
   */
  _pend(outcome) {
    return new Promise((resolve, reject) => {
      this._pending.add(reject);
      Promise.resolve(outcome)
        .then(resolve, reject)
        .finally(() => this._pending.delete(reject));
    });
  }

  /**
   * Call as imjoy-rpc does, with an id by which the outcome is found by who comes after us.
   *
   * @param {any} rpc
   * @param {string} id
   * @param {any[]} method as `_genRemoteMethod` of imjoy-rpc has it
   * @param {unknown[]} values
   */
  async _callWithId(rpc, id, [target, name, object], values) {
    const outcome = this._outcomeOf(id);
    this._connection.noteCalls([...this._calls.keys()]);
    let args;
    try {
      args = await rpc._wrap(values);
    } catch (error) {
      // It was never called: nobody is to come back for it.
      this._calls.delete(id);
      this._connection.noteCalls([...this._calls.keys()]);
      throw error;
    }
    const promise = ["resolve", "reject"].map((end) => callbackOf(`${id}/${end}`));
    this._connection.emit({
      type: "method",
      call: id,
      target_id: target,
      name,
      object_id: object,
      args,
      promise,
      with_kwargs: false,
    });
    return outcome;
  }

  /** @param {string} id */
  _outcomeOf(id) {
    return new Promise((resolve, reject) => this._calls.set(id, { resolve, reject, over: false }));
  }

  /**
   * Have the outcome of a call kept no longer: it has been shown. Until then a page that comes after this one gets it.
   *
   * @param {string} id
   */
  confirm(id) {
    if (!this._calls.delete(id)) return;
    this._connection.emit({ type: "callOver", call: id });
    this._connection.noteCalls([...this._calls.keys()]);
  }

  /**
   * Take the outcome of a call with an id; returns whether `message` is one.
   *
   * @param {any} rpc
   * @param {any} message
   */
  _takeOutcome(rpc, message) {
    const isLost = message.type === "callLost";
    if (!isLost && message.type !== "callback") return false;
    const [id, end] = isLost ? [message.call, "reject"] : String(message.id).split("/");
    const call = this._calls.get(id);
    if (!call) return isLost;
    // It is said again to who may not have got it.
    if (call.over) return true;
    call.over = true;
    if (isLost) call.reject(neverBegan(this.plugin.name));
    else {
      rpc
        ._unwrap(message.args, true)
        .then((/** @type {any[]} */ [value]) => call[end === "resolve" ? "resolve" : "reject"](value), call.reject);
    }
    return true;
  }

  /**
   * Whether `message` is of the page that was here before: asked already, or about what went with it.
   *
   * @param {any} rpc
   * @param {any} message
   */
  _isOld(rpc, message) {
    if (message.type !== "method" && message.type !== "callback") return false;
    const [resolve, reject] = (message.promise || []).map((/** @type {any} */ end) => end._rvalue);
    if (resolve !== undefined && this._asked) {
      if (this._asked.has(resolve)) return true;
      this._asked.add(resolve);
    }
    const isThere =
      message.type === "method" ? message.object_id in rpc._object_store : message.id in rpc._store._store;
    if (!isThere && reject !== undefined) {
      const text = "This belonged to the page before it was reloaded, and is gone.";
      const args = [{ _rtype: "error", _rvalue: text }];
      this._connection.emit({ type: "callback", id: reject, args, with_kwargs: false });
    }
    return !isThere;
  }

  /** @param {any} remote */
  _decorate(remote) {
    remote._rintf = true;
    // The worker calls the plugin's own `exit` on its way out; leaving is all that a client does.
    remote.exit = async () => this.close();
    if (this.plugin.attached) remote.setup = remote.resume || (async () => {});
    return remote;
  }

  /**
   * @param {string} type
   * @param {any} data
   */
  _onEvent(type, data) {
    if (type === "state") {
      const { attached, resumed } = this.plugin;
      this.plugin = { ...data, attached, resumed };
      this.observer.onState?.(this.plugin, this.config);
      if (data.state === "ready") this._awaitAnswer();
      if (FINAL_STATES.includes(data.state)) this._announceFinal?.();
    } else if (type === "progress") {
      this.observer.onProgress?.(this.plugin, data, this.config);
    } else if (type === "log") {
      this.observer.onLog?.(this.plugin, data, this.config);
    }
  }

  /** @param {{code: number, reason: string}} event */
  async _onClose(event) {
    if (this._ended) return;
    this._ended = true;
    if (event.code === TOKEN_REPLACED) {
      this._error = tokenReplaced();
      this.observer.onStatus?.(null, this._error);
    }
    clearInterval(this._looking);
    clearTimeout(this._answer);
    this.missed = event.code === TOO_LATE && Boolean(this.observer.onMiss?.(this.plugin, this.config));
    if (
      !this.missed &&
      !this.closed &&
      !this._error &&
      event.code !== TOO_BIG &&
      !FINAL_STATES.includes(this.plugin.state)
    ) {
      await Promise.race([this._final, sleep(LAST_WORDS_MILLISECONDS)]);
    }
    this._following.abort();
    const byUs = this.closed;
    const isDropped = !byUs && this._goesOn(event.code) && Boolean(this.observer.onDrop?.(this.plugin, this.config));
    this.closed = true;
    this._closeReason = event.reason;
    this._closeCode = event.code;
    const error = this._goneError();
    this._reject?.(error);
    for (const reject of this._pending) reject(error);
    this._pending.clear();
    if (this.missed || isDropped) return;
    this.observer.onEnd?.(this.plugin, byUs ? null : error, this.config);
    if (!byUs) this.utils?.terminatePlugin?.();
  }

  /**
   * Whether a call goes on in the engine although the connection closed: it waits for who comes back.
   *
   * @param {number} code with which it closed
   */
  _goesOn(code) {
    const isUnderWay = [...this._calls.values()].some(({ over }) => !over);
    const isThere = !["stopping", ...FINAL_STATES].includes(this.plugin.state);
    return isUnderWay && isThere && !this._error && !ENDS.includes(code);
  }

  _goneError() {
    if (this._error) return this._error;
    if (this._closeCode === TOO_BIG) {
      return new EngineError({
        id: "message.too-big",
        what: `A message to or from ${this.plugin.name} was larger than the engine allows.`,
        why: this._closeReason,
        fix: "Send less at once, or start the engine with a larger --max-message-size.",
      });
    }
    if (this.plugin.error) return new EngineError(this.plugin.error);
    const { name, state, exit_code: code, signal } = this.plugin;
    if (FINAL_STATES.includes(state)) {
      return new EngineError({
        id: "plugin.gone",
        what: `${name} has ended.`,
        why: signal ? `Its process was ended by ${signal}.` : code ? `Its process exited with code ${code}.` : "",
        fix: "Load it again to continue.",
      });
    }
    return new EngineError({
      id: "plugin.gone",
      what: `The connection to ${name} is closed.`,
      why: this._closeReason || "",
      fix: "Load it again to continue.",
    });
  }

  /** Leave the plugin. The engine ends it then, unless it may be detached. */
  close() {
    if (this.closed) return;
    this.closed = true;
    this._following.abort();
    this._socket.close(1000);
  }
}
