// What imjoy-rpc wants of a connection, over one WebSocket.

import { messageOf } from "./errors.js";
import { sleep } from "./timing.js";
import { cut, FRAME_BYTES, pack, Reader } from "./wire.js";

const HIGH_WATER_BYTES = 16 * 1024 * 1024;
const DRAIN_MILLISECONDS = 4;
const BAD_FRAME = 4400;
/** The first byte of a frame that is for the engine. */
const NOTE = 2;

/** @typedef {(message: any) => void} Handler */

/** What imjoy-rpc speaks through: messages over a socket, in frames. */
export class Connection {
  /** @param {WebSocket} socket */
  constructor(socket) {
    this._socket = socket;
    /** @type {Map<string, Handler[]>} */
    this._handlers = new Map();
    this._reader = new Reader();
    this._stage = new Uint8Array(FRAME_BYTES);
    /** @type {Promise<unknown>} */
    this._queue = socketOpen(socket);
    this._queue.catch(() => {});
    /** Whether a message is no business of imjoy-rpc's. @type {((message: any) => boolean) | null} */
    this.take = null;
    socket.addEventListener("message", ({ data }) => {
      let message;
      try {
        message = this._reader.push(data);
      } catch (error) {
        socket.close(BAD_FRAME, messageOf(error).slice(0, 100));
        return;
      }
      if (message !== undefined && !this.take?.(message)) this._fire(message.type, message);
    });
  }

  /**
   * @param {string} event
   * @param {Handler} handler
   */
  on(event, handler) {
    this._handlers.set(event, [...this._of(event), handler]);
  }

  /**
   * @param {string} event
   * @param {Handler} handler
   */
  once(event, handler) {
    /** @type {Handler} */
    const once = (data) => {
      this.off(event, once);
      handler(data);
    };
    this.on(event, once);
  }

  /**
   * @param {string} event
   * @param {Handler} handler
   */
  off(event, handler) {
    this._handlers.set(
      event,
      this._of(event).filter((other) => other !== handler),
    );
  }

  /** @param {string} event */
  _of(event) {
    return this._handlers.get(event) || [];
  }

  /**
   * @param {string} event
   * @param {unknown} data
   */
  _fire(event, data) {
    for (const handler of this._of(event)) handler(data);
  }

  /**
   * Send a message after those before it; waits while the browser holds too much that is not sent yet.
   *
   * @param {unknown} message
   */
  emit(message) {
    this._queue = this._queue
      .then(() => this._send(message))
      .catch((error) => {
        if (this._socket.readyState === WebSocket.OPEN) console.error("A message could not be sent.", error);
      });
  }

  /**
   * Tell the engine, behind the messages before, which calls are under way.
   *
   * @param {string[]} calls
   */
  noteCalls(calls) {
    const note = new TextEncoder().encode(JSON.stringify({ calls }));
    this._queue = this._queue.then(
      () => this._socket.readyState === WebSocket.OPEN && this._socket.send(new Uint8Array([NOTE, ...note])),
    );
    this._queue.catch(() => {});
  }

  /** @param {unknown} message */
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

/** @param {WebSocket} socket */
function socketOpen(socket) {
  return new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve);
    socket.addEventListener("close", reject);
  });
}
