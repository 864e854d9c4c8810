// Messages to frames and back (docs/protocol.md, "RPC socket"); the engine's own half is worker/transport/wire.py.
//
// Needs the global `MessagePack` (@msgpack/msgpack) while it loads.

const { MessagePack } = globalThis;

// Between 128 KiB and the 1 MiB that is allowed the size made no difference to Chromium; smaller is less to hold.
export const FRAME_BYTES = 256 * 1024;
const BUFFER_BYTES = 4096;
const BUFFER_EXT = 1;

/**
 * Replace binary values by what msgpack can carry; the large ones, and files (as promises), go to `buffers`.
 *
 * @param {any} value
 * @param {(Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>)[]} buffers
 * @returns {unknown}
 */
function strip(value, buffers) {
  if (isLeaf(value) || value instanceof Date) return value;
  if (typeof Blob !== "undefined" && value instanceof Blob) {
    return bufferReference(buffers.push(value.arrayBuffer().then((content) => new Uint8Array(content))) - 1);
  }
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
    const bytes = bytesOf(value);
    return bytes.byteLength < BUFFER_BYTES ? bytes : bufferReference(buffers.push(bytes) - 1);
  }
  if (Array.isArray(value)) return value.map((item) => strip(item, buffers));
  return Object.fromEntries(Object.keys(value).map((key) => [key, strip(value[key], buffers)]));
}

/**
 * The bytes of a binary value, not copied.
 *
 * @param {ArrayBuffer | ArrayBufferView} value
 */
function bytesOf(value) {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return new Uint8Array(/** @type {ArrayBuffer} */ (value.buffer), value.byteOffset, value.byteLength);
}

/** @param {number} index */
function bufferReference(index) {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, index, true);
  return new MessagePack.ExtData(BUFFER_EXT, bytes);
}

/** @param {unknown} value */
const isLeaf = (value) => value === null || typeof value !== "object";

/**
 * Undo `strip`: every binary value becomes an ArrayBuffer of its own, which is what imjoy-rpc decodes.
 *
 * @param {any} value
 * @param {ArrayBuffer[]} buffers
 * @returns {unknown}
 */
function restore(value, buffers) {
  if (isLeaf(value)) return value;
  if (value instanceof Uint8Array) return value.slice().buffer;
  if (value instanceof MessagePack.ExtData) {
    const index = new DataView(value.data.buffer, value.data.byteOffset, 4).getUint32(0, true);
    if (value.type !== BUFFER_EXT || index >= buffers.length) {
      throw new Error("a message names a buffer that is not there");
    }
    return buffers[index];
  }
  if (value instanceof Date) return value;
  for (const key of Object.keys(value)) {
    if (!isLeaf(value[key])) value[key] = restore(value[key], buffers);
  }
  return value;
}

/**
 * Turn a message into the pieces of bytes that follow each other on the wire.
 *
 * @param {unknown} message
 * @returns {Promise<Uint8Array<ArrayBuffer>[]>}
 */
export async function pack(message) {
  /** @type {(Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>)[]} */
  const found = [];
  const head = MessagePack.encode(strip(message, found), { ignoreUndefined: true });
  const buffers = await Promise.all(found);
  const prefix = new DataView(new ArrayBuffer(8 + 8 * buffers.length));
  prefix.setUint32(0, head.byteLength, true);
  prefix.setUint32(4, buffers.length, true);
  buffers.forEach((buffer, i) => prefix.setBigUint64(8 + 8 * i, BigInt(buffer.byteLength), true));
  return [new Uint8Array(prefix.buffer), head, ...buffers];
}

/**
 * Cut pieces into frames. Each frame is a view of `stage`, valid until the next one is asked for.
 *
 * @param {Uint8Array[]} pieces
 * @param {Uint8Array<ArrayBuffer>} stage
 */
export function* cut(pieces, stage) {
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
export class Reader {
  // Of the message that is coming: the counts, the lengths, the head and the buffers, as far as they are known.
  _targets = [new Uint8Array(8)];
  _step = 0;
  _filled = 0;
  _headLength = 0;

  _restart() {
    this._targets = [new Uint8Array(8)];
    this._step = 0;
    this._filled = 0;
  }

  /**
   * Take one frame; return the message when it is whole, else undefined. Throws on a frame that cannot be.
   *
   * @param {ArrayBuffer} frame
   * @returns {any}
   */
  push(frame) {
    let rest = new Uint8Array(frame, 1);
    const [flag] = new Uint8Array(frame, 0, 1);
    if (flag > 1) throw new Error("a frame has no flag");
    while (rest.byteLength > 0) {
      const target = this._targets[this._step];
      if (target === undefined) throw new Error("a frame is longer than its message");
      const part = rest.subarray(0, target.byteLength - this._filled);
      target.set(part, this._filled);
      this._filled += part.byteLength;
      rest = rest.subarray(part.byteLength);
      this._advance();
    }
    if (flag === 1) return undefined;
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
