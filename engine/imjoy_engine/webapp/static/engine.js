/*
 * A plugin engine and a file manager for imjoy-core, over the wire of docs/protocol.md.
 *
 * A classic script: it sets the global `ImJoyEngine`, in a page as in a web worker, and needs the globals `imjoyRPC`
 * (imjoy-rpc) and `MessagePack` (@msgpack/msgpack) while it loads.
 */
(function (scope) {
  "use strict";

  // Held from here on: imjoy-core deletes the global `imjoyRPC` when it loads a web plugin.
  const { imjoyRPC, MessagePack } = scope;

  // Between 128 KiB and the 1 MiB that is allowed the size made no difference to Chromium; smaller is less to hold.
  const FRAME_BYTES = 256 * 1024;
  const BUFFER_BYTES = 4096;
  const BUFFER_EXT = 1;
  const HIGH_WATER_BYTES = 16 * 1024 * 1024;
  const DRAIN_MILLISECONDS = 4;
  const LAST_WORDS_MILLISECONDS = 2000;
  const REQUEST_MILLISECONDS = 20000;
  const LOOK_MILLISECONDS = 20000;
  const LOOKS_BEFORE_LOST = 3;
  /** A plugin whose script has run hands over its functions within this time; it takes milliseconds. */
  const ANSWER_MILLISECONDS = 60000;
  const RETRY_MILLISECONDS = [250, 500, 1000, 2000, 5000];
  const TOO_BIG = 1009;
  const ABNORMAL_CLOSE = 1006;
  const TOKEN_REPLACED = 4401;
  const FINAL_STATES = ["exited", "failed"];

  const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

  /** An error that a person can read: what happened, why, what to do, under a stable id. */
  class EngineError extends Error {
    constructor({ id, what, why, fix, output }) {
      super([what, why, fix].filter(Boolean).join("\n"));
      this.name = "EngineError";
      Object.assign(this, { id, what, why: why || "", fix: fix || "", output: output || "" });
    }
  }

  // --- messages and frames ---------------------------------------------------------------------------------------

  const TypedArray = Object.getPrototypeOf(Uint8Array);

  /** Replace binary values by what msgpack can carry; the large ones, and files (as promises), go to `buffers`. */
  function strip(value, buffers) {
    if (isLeaf(value) || value instanceof Date) return value;
    if (typeof Blob !== "undefined" && value instanceof Blob) {
      return bufferReference(buffers.push(value.arrayBuffer().then((content) => new Uint8Array(content))) - 1);
    }
    if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
      const bytes =
        value instanceof ArrayBuffer
          ? new Uint8Array(value)
          : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      return bytes.byteLength < BUFFER_BYTES ? bytes : bufferReference(buffers.push(bytes) - 1);
    }
    if (Array.isArray(value)) return value.map((item) => strip(item, buffers));
    return Object.fromEntries(Object.keys(value).map((key) => [key, strip(value[key], buffers)]));
  }

  function bufferReference(index) {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, index, true);
    return new MessagePack.ExtData(BUFFER_EXT, bytes);
  }

  const isLeaf = (value) => value === null || typeof value !== "object";

  /** Undo `strip`: every binary value becomes an ArrayBuffer of its own, which is what imjoy-rpc decodes. */
  function restore(value, buffers) {
    if (isLeaf(value)) return value;
    if (value instanceof Uint8Array) return value.slice().buffer;
    if (value instanceof MessagePack.ExtData) {
      const index = new DataView(value.data.buffer, value.data.byteOffset, 4).getUint32(0, true);
      return buffers[index];
    }
    if (value instanceof Date) return value;
    for (const key of Object.keys(value)) {
      if (!isLeaf(value[key])) value[key] = restore(value[key], buffers);
    }
    return value;
  }

  /** Turn a message into the pieces of bytes that follow each other on the wire. */
  async function pack(message) {
    const found = [];
    const head = MessagePack.encode(strip(message, found), { ignoreUndefined: true });
    const buffers = await Promise.all(found);
    const prefix = new DataView(new ArrayBuffer(8 + 8 * buffers.length));
    prefix.setUint32(0, head.byteLength, true);
    prefix.setUint32(4, buffers.length, true);
    buffers.forEach((buffer, i) => prefix.setBigUint64(8 + 8 * i, BigInt(buffer.byteLength), true));
    return [new Uint8Array(prefix.buffer), head, ...buffers];
  }

  /** Cut pieces into frames. Each frame is a view of `stage`, valid until the next one is asked for. */
  function* cut(pieces, stage) {
    let left = pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
    let filled = 1;
    for (const piece of pieces) {
      for (let start = 0; start < piece.byteLength; ) {
        const part = piece.subarray(start, start + stage.byteLength - filled);
        stage.set(part, filled);
        start += part.byteLength;
        filled += part.byteLength;
        left -= part.byteLength;
        if (filled === stage.byteLength || left === 0) {
          stage[0] = left === 0 ? 0 : 1;
          yield stage.subarray(0, filled);
          filled = 1;
        }
      }
    }
  }

  /** Puts frames together. Each buffer is written once, into memory of its own. */
  class Reader {
    constructor() {
      this._restart();
    }

    _restart() {
      this.buffers = [];
      this._lengths = null;
      this._targets = [new Uint8Array(8)];
      this._filled = 0;
      this._step = 0;
    }

    /** Take one frame; return the message when it is whole, else undefined. Throws on a frame that cannot be. */
    push(frame) {
      let rest = new Uint8Array(frame, 1);
      const last = new Uint8Array(frame, 0, 1)[0] === 0;
      while (rest.byteLength > 0) {
        const target = this._targets[this._step];
        if (target === undefined) throw new Error("a frame is longer than its message");
        const part = rest.subarray(0, target.byteLength - this._filled);
        target.set(part, this._filled);
        this._filled += part.byteLength;
        rest = rest.subarray(part.byteLength);
        this._advance();
      }
      if (!last) return undefined;
      if (this._step < this._targets.length) throw new Error("a message ended early");
      const buffers = this._targets.slice(3).map((target) => target.buffer);
      const message = restore(MessagePack.decode(this._targets[2]), buffers);
      this._restart();
      return message;
    }

    _advance() {
      while (this._step < this._targets.length && this._filled === this._targets[this._step].byteLength) {
        const done = new DataView(this._targets[this._step].buffer);
        if (this._step === 0) {
          this._headLength = done.getUint32(0, true);
          this._targets.push(new Uint8Array(8 * done.getUint32(4, true)));
        } else if (this._step === 1) {
          this._targets.push(new Uint8Array(this._headLength));
          for (let at = 0; at < done.byteLength; at += 8) {
            this._targets.push(new Uint8Array(Number(done.getBigUint64(at, true))));
          }
        }
        this._step += 1;
        this._filled = 0;
      }
    }
  }

  // --- the engine's HTTP API -------------------------------------------------------------------------------------

  class Link {
    constructor({ url, token, client }) {
      this.url = url.replace(/\/+$/, "");
      this.token = token;
      this.client = client;
    }

    async fetch(method, path, { body, headers, signal } = {}) {
      try {
        return await scope.fetch(this.url + path, {
          method,
          body,
          signal,
          headers: { Authorization: `Bearer ${this.token}`, ...headers },
          cache: "no-store",
          credentials: "omit",
          referrerPolicy: "no-referrer",
        });
      } catch (error) {
        if (signal && signal.aborted && signal.reason === "closed") throw error;
        throw new EngineError({
          id: "engine.unreachable",
          what: "The engine does not answer.",
          ...whyUnreachable(this.url, error.message, await localNetworkIsClosed()),
        });
      }
    }

    /** Ask for JSON. Throws an EngineError for anything but success. */
    async json(method, path, body) {
      const response = await this.fetch(method, path, {
        body: body === undefined ? undefined : JSON.stringify(body),
        headers: body === undefined ? {} : { "Content-Type": "application/json" },
        signal: timeout(REQUEST_MILLISECONDS),
      });
      if (!response.ok) throw await refusal(response);
      return response.status === 204 ? null : response.json();
    }

    status() {
      return this.json("GET", "/api/v1/status");
    }

    plugin(id) {
      return this.json("GET", `/api/v1/plugins/${encodeURIComponent(id)}`);
    }

    startPlugin(body) {
      return this.json("POST", "/api/v1/plugins", { ...body, client: this.client });
    }

    stopPlugin(id) {
      return this.json("DELETE", `/api/v1/plugins/${encodeURIComponent(id)}`);
    }

    socket(id) {
      return this._open(`/api/v1/plugins/${encodeURIComponent(id)}/rpc`);
    }

    /**
     * Call `closed(error, opened)` once the engine has parted from us; `error` is set where it refuses our token by now. One
     * older than 0.12 never opens.
     */
    watch(closed) {
      const socket = this._open("/api/v1/watch");
      let opened = false;
      socket.addEventListener("open", () => (opened = true));
      socket.addEventListener("close", ({ code }) => closed(code === TOKEN_REPLACED ? tokenReplaced() : null, opened));
      return socket;
    }

    _open(path) {
      const socket = new WebSocket(this.url.replace(/^http/, "ws") + path, ["imjoy.v1", `bearer.${this.token}`]);
      socket.binaryType = "arraybuffer";
      return socket;
    }

    /** Follow a plugin's events until its final state or until `signal` is aborted; survives a lost connection. */
    async follow(id, signal, onEvent) {
      let lastId = "";
      for (let attempt = 0; !signal.aborted; attempt++) {
        try {
          const headers = lastId ? { "Last-Event-ID": lastId } : {};
          const path = `/api/v1/plugins/${encodeURIComponent(id)}/events`;
          const response = await this.fetch("GET", path, { headers, signal });
          if (!response.ok) throw await refusal(response);
          for await (const event of serverSentEvents(response.body)) {
            attempt = 0;
            if (event.id) lastId = event.id;
            onEvent(event.type, event.data);
            if (event.type === "state" && FINAL_STATES.includes(event.data.state)) return;
          }
        } catch (error) {
          if (signal.aborted || error.status) return;
        }
        await sleep(RETRY_MILLISECONDS[Math.min(attempt, RETRY_MILLISECONDS.length - 1)]);
      }
    }
  }

  /** The url that a text is, or null (URL.canParse came with Safari 17). */
  function parsed(text) {
    try {
      return new URL(text);
    } catch {
      return null;
    }
  }

  /** A signal that aborts after so many milliseconds (AbortSignal.timeout came with Safari 16). */
  function timeout(milliseconds) {
    if (AbortSignal.timeout) return AbortSignal.timeout(milliseconds);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new DOMException("The operation timed out.", "TimeoutError")), milliseconds);
    return controller.signal;
  }

  /** Whether this is Safari; other browsers have its name among theirs. */
  function isSafari() {
    const agent = scope.navigator ? scope.navigator.userAgent || "" : "";
    return /Version\/.* Safari\//.test(agent) && !/Chrom|Android|Edg|OPR|Firefox/.test(agent);
  }

  /** Whether the browser keeps this page, or the frame that it is in, from reaching this machine. */
  async function localNetworkIsClosed() {
    try {
      return (await scope.navigator.permissions.query({ name: "local-network-access" })).state === "denied";
    } catch {
      return false; // a browser that asks nobody
    }
  }

  /** Why a page cannot reach an engine, as far as the two addresses and a permission tell, and the way out. */
  function whyUnreachable(url, message, isClosed = false) {
    const { protocol, hostname, port } = parsed(url) || {};
    const isHere = ["127.0.0.1", "localhost", "[::1]"].includes(hostname);
    // A web worker made from a blob has its page's scheme behind its own.
    const page = scope.location ? scope.location.href : "";
    const pageIsSecure = /^(blob:)?https:/.test(page);
    const pageIsHere = /^(blob:)?https?:\/\/(127\.0\.0\.1|localhost|\[::1\])[:/]/.test(page);
    if (protocol === "http:" && pageIsSecure && !isHere) {
      return {
        why: `This page is https, and browsers keep such pages from plain http addresses on the network, as ${url} is one.`,
        fix: `Start the engine with --tls, or bring it to this machine: ssh -L ${port}:127.0.0.1:${port} ${hostname}`,
      };
    }
    if (protocol === "http:" && pageIsSecure && isSafari()) {
      return {
        why: `This page is https, and most versions of Safari keep such pages from every plain http address, as ${url} is one.`,
        fix: `Open ${url} itself in Safari: the engine has this app too. Or use another browser for this page.`,
      };
    }
    if (isHere && !pageIsHere && isClosed) {
      return {
        why: `The browser keeps this page from programs of this machine (local network access), as ${url} is one.`,
        fix: [
          "Allow it in the browser's settings for this site, then load the page again.",
          `Or use the app that the engine serves, which needs no permission: imjoy start --serve, then open ${url}`,
        ].join("\n"),
      };
    }
    const trust = `Open ${url} in this browser and see whether it accepts the engine's certificate.`;
    return {
      why: `${url} cannot be reached (${message}).`,
      fix: [
        "Start it with: imjoy start",
        protocol === "https:" ? trust : "Where it runs, see whether the browser asks to allow the local network.",
      ].join("\n"),
    };
  }

  function tokenReplaced() {
    const error = new EngineError({
      id: "auth.token",
      what: "The connection token was replaced.",
      why: "The engine lets nobody in with the old one any more.",
      fix: "Copy the new token; this prints it: imjoy token",
    });
    return Object.assign(error, { status: 401 });
  }

  async function refusal(response) {
    let error = null;
    try {
      error = (await response.json()).error;
    } catch {
      // A proxy in between answers with a page of its own.
    }
    const refused = new EngineError(
      error || {
        id: response.status === 401 ? "auth.token" : "engine.unreachable",
        what: response.status === 401 ? "The token was not accepted." : "The engine refused.",
        why: `It answered ${response.status} ${response.statusText}.`,
        fix: response.status === 401 ? "Copy the token again; this prints it: imjoy token" : "",
      },
    );
    refused.status = response.status;
    return refused;
  }

  async function* serverSentEvents(body) {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    let text = "";
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        text += decoder.decode(value, { stream: true });
        const blocks = text.split(/\r?\n\r?\n/);
        text = blocks.pop();
        for (const block of blocks) {
          const event = { id: "", type: "message", data: [] };
          for (const line of block.split(/\r?\n/)) {
            const [, field, content] = /^([^:]*):? ?(.*)$/.exec(line);
            if (field === "event") event.type = content;
            else if (field === "id") event.id = content;
            else if (field === "data") event.data.push(content);
          }
          if (event.data.length) yield { ...event, data: JSON.parse(event.data.join("\n")) };
        }
      }
    } finally {
      reader.cancel().catch(() => {});
    }
  }

  // --- one plugin ------------------------------------------------------------------------------------------------

  /** What imjoy-rpc wants of a connection, over one WebSocket. */
  class Connection {
    constructor(socket) {
      this._socket = socket;
      this._handlers = new Map();
      this._reader = new Reader();
      this._stage = new Uint8Array(FRAME_BYTES);
      this._queue = socketOpen(socket);
      this._queue.catch(() => {});
      socket.addEventListener("message", ({ data }) => {
        let message;
        try {
          message = this._reader.push(data);
        } catch (error) {
          socket.close(4400, error.message.slice(0, 100));
          return;
        }
        if (message !== undefined) this._fire(message.type, message);
      });
    }

    on(event, handler) {
      if (!this._handlers.has(event)) this._handlers.set(event, []);
      this._handlers.get(event).push(handler);
    }

    once(event, handler) {
      const once = (data) => {
        this.off(event, once);
        handler(data);
      };
      this.on(event, once);
    }

    off(event, handler) {
      this._handlers.set(
        event,
        (this._handlers.get(event) || []).filter((other) => other !== handler),
      );
    }

    _fire(event, data) {
      for (const handler of [...(this._handlers.get(event) || [])]) handler(data);
    }

    /** Send a message after those before it; waits while the browser holds too much that is not sent yet. */
    emit(message) {
      this._queue = this._queue
        .then(() => this._send(message))
        .catch((error) => {
          if (this._socket.readyState === WebSocket.OPEN) console.error("A message could not be sent.", error);
        });
    }

    async _send(message) {
      for (const frame of cut(await pack(message), this._stage)) {
        while (this._socket.bufferedAmount > HIGH_WATER_BYTES && this._socket.readyState === WebSocket.OPEN) {
          await sleep(DRAIN_MILLISECONDS);
        }
        if (this._socket.readyState !== WebSocket.OPEN) return;
        this._socket.send(frame);
      }
    }

    disconnect() {
      this._socket.close(1000);
    }
  }

  function socketOpen(socket) {
    return new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve);
      socket.addEventListener("close", reject);
    });
  }

  // imjoy-rpc sends the whole buffer under a typed array, also where the array is a part of it.
  const TYPED_ARRAY_CODEC = {
    type: TypedArray,
    encoder: (array) => ({
      _rtype: "typedarray",
      _rvalue: new Uint8Array(array.buffer, array.byteOffset, array.byteLength),
      _rdtype: array.constructor.name.replace("Array", "").replace("Clamped", "").toLowerCase(),
    }),
  };

  /** A plugin that runs in the engine, from the request to start it until its socket closes. */
  class Session {
    constructor(link, plugin, config, app, utils, observer) {
      Object.assign(this, { link, plugin, config, utils, observer });
      this._pending = new Set();
      this._following = new AbortController();
      this._final = new Promise((resolve) => (this._announceFinal = resolve));
      this.closed = false;
      this.api = new Promise((resolve, reject) => {
        this._resolve = resolve;
        this._reject = reject;
      });
      this.api.catch(() => {});
      observer.onStart?.(plugin, config);
      link.follow(plugin.id, this._following.signal, (type, data) => this._onEvent(type, data));
      this._socket = link.socket(plugin.id);
      this._connection = new Connection(this._socket);
      this._socket.addEventListener("close", (event) => this._onClose(event));
      this._unanswered = 0;
      this._looking = setInterval(() => this._look(), LOOK_MILLISECONDS);
      this._speak(app);
    }

    /**
     * While something is awaited, ask now and then whether the engine still has this connection. After a laptop's sleep,
     * or behind a tunnel that hangs, the socket itself never tells.
     */
    async _look() {
      if (this._pending.size === 0 || this._socket.readyState !== WebSocket.OPEN) return;
      try {
        const plugin = await this.link.plugin(this.plugin.id);
        this._unanswered = 0;
        if (plugin.clients === 0) this._lose("The engine had not heard of this page for too long.");
      } catch (error) {
        this._unanswered += 1;
        if (error.status || this._unanswered === LOOKS_BEFORE_LOST) this._lose(error.message);
      }
    }

    /** Give up a socket that does not know yet that it is closed. */
    _lose(reason) {
      this._socket.close();
      this._onClose({ code: ABNORMAL_CLOSE, reason });
    }

    _speak(app) {
      const rpc = new imjoyRPC.RPC(this._connection, { name: this.config.name }, { typedarray: TYPED_ARRAY_CODEC });
      this._guard(rpc, "_genRemoteMethod");
      this._guard(rpc, "_genRemoteCallback");
      rpc.on("remoteBusy", () => this.utils?.setPluginStatus?.({ running: true }));
      rpc.on("remoteIdle", () => this.utils?.setPluginStatus?.({ running: false }));
      this._connection.once("initialized", () => {
        rpc.setInterface(app);
        rpc.sendInterface();
      });
      rpc.once("interfaceSetAsRemote", () => rpc.requestRemote());
      rpc.on("remoteReady", () => {
        clearTimeout(this._answer);
        this._answer = null;
        this._spoken = true;
        this._resolve(this._decorate(rpc.getRemote()));
      });
    }

    /** Its script has run: what is left is the hand-shake, which a plugin that blocks never gets to. */
    _awaitAnswer() {
      if (this._spoken || this._answer || this._ended) return;
      this._answer = setTimeout(() => {
        this._error = new EngineError({
          id: "plugin.no-answer",
          what: `${this.plugin.name} did not start within ${ANSWER_MILLISECONDS / 1000} s.`,
          why: "Its script has run, but it handed over no functions.",
          fix: "See what its log says; a script that computes for long does so in setup() or run().",
        });
        this._socket.close();
        this._onClose({ code: ABNORMAL_CLOSE, reason: "" });
      }, ANSWER_MILLISECONDS);
    }

    /** Make what imjoy-rpc generates fail when the plugin goes away; by itself it would wait for ever. */
    _guard(rpc, generator) {
      const generate = rpc[generator];
      rpc[generator] = (...args) => {
        const call = generate.apply(rpc, args);
        const guarded = (...values) => {
          if (this.closed) return Promise.reject(this._goneError());
          return new Promise((resolve, reject) => {
            this._pending.add(reject);
            Promise.resolve(call(...values))
              .then(resolve, reject)
              .finally(() => this._pending.delete(reject));
          });
        };
        guarded.__remote_method = call.__remote_method;
        return guarded;
      };
    }

    _decorate(remote) {
      remote._rintf = true;
      // The worker calls the plugin's own `exit` on its way out; leaving is all that a client does.
      remote.exit = async () => this.close();
      if (this.plugin.attached) remote.setup = remote.resume || (async () => {});
      return remote;
    }

    _onEvent(type, data) {
      if (type === "state") {
        this.plugin = { ...data, attached: this.plugin.attached };
        this.observer.onState?.(this.plugin, this.config);
        if (data.state === "ready") this._awaitAnswer();
        if (FINAL_STATES.includes(data.state)) this._announceFinal();
      } else if (type === "progress") {
        this.observer.onProgress?.(this.plugin, data, this.config);
      } else if (type === "log") {
        this.observer.onLog?.(this.plugin, data, this.config);
      }
    }

    async _onClose(event) {
      if (this._ended) return;
      this._ended = true;
      if (event.code === TOKEN_REPLACED) {
        this._error = tokenReplaced();
        this.observer.onStatus?.(null, this._error);
      }
      clearInterval(this._looking);
      clearTimeout(this._answer);
      if (!this.closed && !this._error && event.code !== TOO_BIG && !FINAL_STATES.includes(this.plugin.state)) {
        await Promise.race([this._final, sleep(LAST_WORDS_MILLISECONDS)]);
      }
      this._following.abort("closed");
      const byUs = this.closed;
      this.closed = true;
      this._closeReason = event.reason;
      this._closeCode = event.code;
      const error = this._goneError();
      this._reject(error);
      for (const reject of this._pending) reject(error);
      this._pending.clear();
      this.observer.onEnd?.(this.plugin, byUs ? null : error, this.config);
      if (!byUs) this.utils?.terminatePlugin?.();
    }

    _goneError() {
      if (this._error) return this._error;
      if (this._closeCode === TOO_BIG) {
        return new EngineError({
          id: "message.too-big",
          what: `A message to or from ${this.plugin.name} was larger than the engine passes on.`,
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
          fix: "Load it again to go on.",
        });
      }
      return new EngineError({
        id: "plugin.gone",
        what: `The connection to ${name} is closed.`,
        why: this._closeReason || "",
        fix: "Load it again to go on.",
      });
    }

    /** Leave the plugin. The engine ends it then, unless it may be detached. */
    close() {
      if (this.closed) return;
      this.closed = true;
      this._following.abort("closed");
      this._socket.close(1000);
    }
  }

  // --- what imjoy-core is given ----------------------------------------------------------------------------------

  /**
   * Make an engine for `imjoy.em.register` or `api.register`.
   *
   * `observer` may have onStart(plugin, config), onState(plugin, config), onProgress(plugin, progress, config), onLog(plugin, log, config),
   * onEnd(plugin, error, config) and onStatus(status, error). `permit(config)`, when given, throws for a plugin that may not
   * start. `link` is the engine's HTTP API.
   */
  function makeEngine(options) {
    const { url, token, client, name, factory, observer = {}, permit, workspace } = options;
    const { choose = () => ({}), announce = false } = options;
    const link = new Link({ url, token, client });
    const sessions = new Map();

    const forget = (session) => {
      if (sessions.get(session.plugin.id) === session) sessions.delete(session.plugin.id);
    };

    const sessionOf = (config) =>
      [...sessions.values()].find((session) => session.config.id === config.id) ||
      [...sessions.values()].find((session) => session.config.name === config.name);

    async function request(config) {
      const body = { tag: config.tag || undefined, workspace: workspace || config.workspace || "default" };
      Object.assign(body, choose(config));
      if (config.code) Object.assign(body, { source: config.code, file: `${config.name}.imjoy.html` });
      else Object.assign(body, { config: plainConfig(config), script: config.script || "" });
      return link.startPlugin(body);
    }

    /** Begin a plugin. What fails before it has a session, which would tell, is told here: imjoy-core tells nobody. */
    async function begin(config, app, utils) {
      try {
        if (permit) await permit(config);
        const plugin = await request(config);
        const session = new Session(link, plugin, config, app, utils, {
          ...observer,
          onEnd: (...args) => {
            forget(session);
            observer.onEnd?.(...args);
          },
        });
        sessions.set(plugin.id, session);
        return session;
      } catch (error) {
        observer.onEnd?.(null, error, config);
        throw error;
      }
    }

    const start = async (config, app, utils) => (await begin(config, app, utils)).api;

    const engine = {
      type: "engine",
      pluginType: "native-python",
      name: name || `ImJoy Plugin Engine (${new URL(link.url).host})`,
      url: link.url,
      icon: "🚀",
      lazy_connection: false,

      async connect() {
        await link.status();
        return true;
      },

      async disconnect() {
        for (const session of sessions.values()) session.close();
      },

      async enable() {},
      async disable() {},

      async startPlugin(config, app, utils) {
        try {
          return await start(config, app, utils);
        } catch (error) {
          if (announce) app.showMessage?.(`${config.name}: ${error.message}`, 15);
          throw error;
        }
      },

      async heartbeat() {
        try {
          const status = await link.status();
          observer.onStatus?.(status, null);
          return true;
        } catch (error) {
          observer.onStatus?.(null, error);
          return false;
        }
      },

      async getEngineStatus() {
        const { plugins, ...status } = await link.status();
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
        return (await link.status()).plugins;
      },

      async getPlugin(wanted) {
        const named = typeof wanted === "string" ? { name: wanted, id: wanted } : wanted;
        const session = sessionOf(named) || sessions.get(named.id);
        return session ? session.api : null;
      },

      async killPlugin(config) {
        const session = sessionOf(config);
        if (!session) return false;
        await link.stopPlugin(session.plugin.id);
        return true;
      },

      async killPluginProcess(process) {
        const found = (await link.status()).plugins.find(
          (plugin) => plugin.id === process.id || plugin.pid === process.pid,
        );
        if (!found) return false;
        await link.stopPlugin(found.id);
        return true;
      },

      async restartPlugin(config, app, utils) {
        await engine.killPlugin(config);
        return engine.startPlugin(config, app, utils);
      },

      async resetEngine() {
        for (const plugin of (await link.status()).plugins) {
          if (!FINAL_STATES.includes(plugin.state)) await link.stopPlugin(plugin.id);
        }
      },

      async about() {
        const status = await link.status();
        return `ImJoy Plugin Engine ${status.version} at ${link.url}, workspace ${status.workspace}`;
      },
    };
    if (factory) engine.factory = factory;
    return { engine, link };
  }

  /** The part of an app's plugin config that is data; the app adds functions and its own bookkeeping. */
  function plainConfig(config) {
    return JSON.parse(JSON.stringify(config, (key, value) => (key.startsWith("_") ? undefined : value)));
  }

  /** Make a file manager over the engine's files, for `imjoy.fm.register` or `api.register`. */
  function makeFileManager({ link, name, workspace = "default", showFileDialog }) {
    const query = (path, more = {}) => new URLSearchParams({ path: path || "", workspace, ...more });
    const pathOf = (wanted) => (typeof wanted === "string" ? wanted : wanted.path);

    async function signed(method, path, expires = 3600) {
      const { url } = await link.json("POST", "/api/v1/files/url", { path, workspace, method, expires });
      return new URL(url, link.url).href;
    }

    const manager = {
      type: "file-manager",
      name: name || `ImJoy Plugin Engine (${new URL(link.url).host})`,
      url: link.url,

      /** List one folder as imjoy-core's file managers do: `{name, path, success, children}`. */
      async listFiles(root) {
        const { path, entries } = await link.json("GET", `/api/v1/files?${query(pathOf(root || ""))}`);
        return {
          success: true,
          path,
          name: path.split("/").filter(Boolean).pop() || "/",
          type: "dir",
          children: entries.map((entry) => ({
            ...entry,
            title: entry.name,
            type: entry.type === "folder" ? "dir" : "file",
            isdir: entry.type === "folder",
          })),
        };
      },

      async getFile(wanted) {
        const path = pathOf(wanted);
        const response = await scope.fetch(await signed("GET", path));
        if (!response.ok) throw await refusal(response);
        return new File([await response.blob()], path.split("/").pop());
      },

      async putFile(wanted, content) {
        const path = pathOf(wanted) || wanted.name;
        const body = content === undefined ? wanted.content || wanted.file || wanted : content;
        const more = wanted.overwrite ? { overwrite: "1" } : {};
        const response = await link.fetch("PUT", `/api/v1/files?${query(path, more)}`, { body });
        if (!response.ok) throw await refusal(response);
        return true;
      },

      async requestUploadUrl(wanted) {
        const folder = wanted.dir ? `${wanted.dir.replace(/\/+$/, "")}/` : "";
        return signed("PUT", folder + pathOf(wanted), wanted.expires);
      },

      async getFileUrl(wanted) {
        return signed("GET", pathOf(wanted), wanted.expires);
      },

      async removeFile(wanted) {
        await link.json("DELETE", `/api/v1/files?${query(pathOf(wanted))}`);
        return true;
      },

      async heartbeat() {
        try {
          return (await scope.fetch(`${link.url}/healthz`, { cache: "no-store" })).ok;
        } catch {
          return false;
        }
      },
    };
    if (showFileDialog) manager.showFileDialog = showFileDialog;
    return manager;
  }

  /** An id that this browser keeps: the engine finds the plugins that it started by it. */
  function newClientId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  /** Return an engine's url with its scheme: `127.0.0.1:8080` is what people type. */
  function completeUrl(typed) {
    const url = typed.trim().replace(/\/+$/, "");
    return /^[a-z][a-z0-9+.-]*:\/\//i.test(url) ? url : `http://${url}`;
  }

  scope.ImJoyEngine = {
    EngineError,
    Link,
    completeUrl,
    makeEngine,
    makeFileManager,
    newClientId,
    pack,
    cut,
    Reader,
  };
})(globalThis);
