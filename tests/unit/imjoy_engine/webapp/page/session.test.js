// A plugin's calls that go on over a reload of the page.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { runInThisContext } from "node:vm";

runInThisContext(readFileSync(String(process.env.MSGPACK), "utf-8"));

/** A socket whose other end is the test. */
class Socket extends EventTarget {
  static OPEN = 1;
  /** Those that were opened, by what for. @type {Record<string, Socket[]>} */
  static opened = {};
  readyState = 1;
  /** What was sent: messages, and notes for the engine. @type {any[]} */
  sent = [];

  /** @param {string} [url] */
  constructor(url = "") {
    super();
    const path = url.replace(/.*\/plugins\//, "");
    Socket.opened[path] = [...(Socket.opened[path] || []), this];
  }

  /** @param {Uint8Array<ArrayBuffer>} frame */
  send(frame) {
    const copy = frame.slice();
    this.sent.push(
      copy[0] === 2
        ? { note: JSON.parse(new TextDecoder().decode(copy.subarray(1))).calls }
        : new Reader().push(copy.buffer),
    );
  }

  close() {
    this.readyState = 3;
  }

  /** @param {number} code */
  closeWith(code) {
    this.close();
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason: "" }));
  }

  /** @param {object} message */
  async say(message) {
    for (const frame of cut(await pack(message), new Uint8Array(FRAME_BYTES))) {
      this.dispatchEvent(Object.assign(new Event("message"), { data: frame.slice().buffer }));
    }
    await settled();
  }

  /** @param {string} type */
  saidOf = (type) => this.sent.filter((each) => each.type === type);
  notes = () => this.sent.flatMap(({ note }) => (note ? [note] : []));
}

/** What stands for imjoy-rpc: it notes what comes to it. */
class RPC {
  /** @type {any[]} */
  static came = [];
  _store = { _indices: [], _store: {} };
  _object_store = { app: {} };

  /** @param {any} connection */
  constructor(connection) {
    this.connection = connection;
    for (const type of ["method", "callback"]) {
      connection.on(type, (/** @type {any} */ message) => RPC.came.push(message));
    }
  }

  on() {}
  once() {}
  setInterface() {}
  sendInterface() {}
  requestRemote() {}
  /** @param {unknown} values */
  _wrap = async (values) => values;
  /** @param {unknown} values */
  _unwrap = async (values) => values;
  _genRemoteMethod() {
    return () => {};
  }
  _genRemoteCallback() {}
}

Object.assign(globalThis, { imjoyRPC: { RPC }, WebSocket: Socket });
const { cut, FRAME_BYTES, pack, Reader } = await import("#page/engine/wire.js");
const { makeEngine } = await import("#page/engine/engine.js");
const { CALL, Session } = await import("#page/engine/session.js");

const settled = async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/**
 * Begin a session, as the engine answered; `rpc` is its end of imjoy-rpc.
 *
 * @param {Partial<PluginRecord>} answer
 */
async function begin(answer) {
  const socket = new Socket();
  /** @type {unknown[]} */
  const asked = [];
  const client = {
    follow() {},
    socket: (/** @type {unknown[]} */ ...details) => (asked.push(details), socket),
  };
  const plugin = { id: "p", name: "P", state: "ready", holds: 30, ...answer };
  /** @type {any} */
  let rpc;
  class Spied extends Session {
    /** @param {any} other @param {"_genRemoteMethod" | "_genRemoteCallback"} generator */
    _guard(other, generator) {
      rpc = other;
      super._guard(other, generator);
    }
  }
  const session = new Spied(
    .../** @type {ConstructorParameters<typeof Session>} */ (
      /** @type {unknown[]} */ ([client, plugin, { name: "P" }, {}, undefined, {}])
    ),
  );
  clearInterval(session._looking);
  socket.dispatchEvent(new Event("open"));
  await settled();
  return { session, socket, rpc, asked };
}

/** @param {string} id @param {string} end */
const outcome = (id, end, value = 1) => ({ type: "callback", id: `${id}/${end}`, args: [value] });

test("an outcome is confirmed when it has been shown, and counts until then", async () => {
  const { session, socket, rpc } = await begin({});
  const run = rpc._genRemoteMethod("t", "run", "o");
  const outcomes = ["a", "b"].map((id) => run({ [CALL]: id }));
  await settled();
  await socket.say(outcome("a", "resolve", 5));
  assert.equal(await outcomes[0], 5);
  assert.deepEqual([socket.saidOf("callOver"), socket.notes().at(-1)], [[], ["a", "b"]]);
  session.confirm("a");
  session.confirm("a");
  await settled();
  assert.deepEqual([socket.saidOf("callOver"), socket.notes().at(-1)], [[{ type: "callOver", call: "a" }], ["b"]]);
});

test("an outcome that comes again is the same", async () => {
  const { session, socket, asked } = await begin({ resumed: true, call: "b", calls: ["a", "b"] });
  assert.deepEqual(asked, [["p", "b"]]);
  assert.deepEqual(socket.saidOf("resumed")[0].calls, ["a", "b"]);
  await socket.say(outcome("a", "reject"));
  await socket.say(outcome("a", "resolve"));
  await socket.say({ type: "callLost", call: "b" });
  await assert.rejects(
    async () => session.outcomes.get("a"),
    (error) => error === 1,
  );
  await assert.rejects(async () => session.outcomes.get("b"), /had not started/);
});

test("what was asked before counts once, and is not remembered once nothing is asked again", async () => {
  const { session, socket } = await begin({ resumed: true, call: "a", calls: ["a"] });
  const asked = {
    type: "method",
    object_id: "app",
    promise: [{ _rvalue: "1" }, { _rvalue: "2" }],
  };
  RPC.came.length = 0;
  await socket.say(asked);
  // The end of what was said to a page between.
  await socket.say({ type: "saidAgain", id: 7 });
  await socket.say(asked);
  assert.equal(RPC.came.length, 1);
  await socket.say({ type: "saidAgain", id: socket.saidOf("resumed")[0].id });
  assert.equal(session._asked, null);
  await socket.say({ ...asked, promise: [{ _rvalue: "3" }, { _rvalue: "4" }] });
  assert.equal(RPC.came.length, 2);
});

/**
 * Begin a plugin that is taken over at first, with the run "a"; returns what is told and asked of it.
 *
 * @param {boolean} isWanted
 * @param {() => Promise<void>} [whenAsked] before the engine answers who asks once more
 * @param {() => boolean} [staysWanted]
 */
async function takeOver(isWanted, whenAsked = async () => {}, staysWanted = () => true) {
  /** @type {any[]} */
  const asked = [];
  const answers = [
    { id: "old", resumed: true, call: "a" },
    { id: "new", resumed: false },
  ];
  Object.assign(globalThis, {
    fetch: async (/** @type {string} */ url, /** @type {{method: string, body: string}} */ { method, body }) => {
      if (method === "DELETE") {
        told.push(`delete ${url.replace(/.*\//, "")}`);
        return new Response(null, { status: 204 });
      }
      asked.push(JSON.parse(body).resume);
      if (asked.length > 1) await whenAsked();
      return Response.json({ name: "P", state: "exited", holds: 30, ...answers[asked.length - 1] });
    },
  });
  /** @type {string[]} */
  const told = [];
  const observer = {
    onBegin: () => staysWanted,
    onDrop: (/** @type {PluginRecord} */ { id }) => (told.push(`drop ${id}`), true),
    onStart: (/** @type {PluginRecord} */ { id }) => told.push(`start ${id}`),
    onMiss: (/** @type {PluginRecord} */ { id }) => (told.push(`miss ${id}`), isWanted),
    onEnd: (/** @type {PluginRecord | null} */ plugin) => told.push(`end ${plugin?.id}`),
  };
  const { engine } = makeEngine(
    /** @type {EngineOptions} */ (
      /** @type {unknown} */ ({ url: "http://127.0.0.1:1", token: "t", client: "c", observer, resuming: () => ["a"] })
    ),
  );
  Socket.opened = {};
  const plugin = engine.startPlugin(/** @type {PluginConfig} */ ({ name: "P" }), {});
  plugin.catch(() => {});
  await settled();
  const [socket] = Socket.opened["old/rpc?resume=a"];
  socket.dispatchEvent(new Event("open"));
  return { plugin, socket, told, asked };
}

test("a plugin whose run was gone when it was to be taken over begins anew, and is asked for its run once more", async () => {
  const { plugin, socket, told, asked } = await takeOver(true);
  socket.closeWith(4411);
  await settled();
  const [second] = Socket.opened["new/rpc"];
  assert.deepEqual(
    [told, asked],
    [
      ["start old", "miss old", "start new"],
      [["a"], ["a"]],
    ],
  );
  // A second time it has ended.
  second.closeWith(4410);
  await assert.rejects(plugin, /ended/);
  assert.deepEqual(told.at(-1), "end new");
});

test("a plugin that ends after it was taken over, before it said anything, does not begin anew", async () => {
  const { plugin, socket, told, asked } = await takeOver(true);
  socket.closeWith(4410);
  await assert.rejects(plugin, /ended/);
  assert.deepEqual([told, asked], [["start old", "end old"], [["a"]]]);
});

test("a plugin that was stopped meanwhile does not begin anew", async () => {
  const { plugin, socket, told, asked } = await takeOver(false);
  socket.closeWith(4411);
  await assert.rejects(plugin, /ended/);
  assert.deepEqual([told, asked], [["start old", "miss old", "end old"], [["a"]]]);
});

test("a plugin that is stopped while it is asked for anew is stopped where it began, and nothing is told of it", async () => {
  let isWanted = true;
  const { plugin, socket, told } = await takeOver(
    true,
    async () => {
      isWanted = false;
    },
    () => isWanted,
  );
  socket.closeWith(4411);
  await assert.rejects(plugin, /was stopped before/);
  assert.deepEqual(told, ["start old", "miss old", "delete new"]);
  assert.equal(Socket.opened["new/rpc"], undefined);
});

test("a run whose connection broke is the app's to find again, and not told as ended", async () => {
  const { plugin, socket, told } = await takeOver(true);
  const [events] = Socket.opened["old/events"];
  const data = JSON.stringify({ id: "7", type: "state", data: { id: "old", name: "P", state: "ready" } });
  events.dispatchEvent(Object.assign(new Event("message"), { data }));
  socket.closeWith(1006);
  await assert.rejects(plugin, /is closed/);
  assert.deepEqual(told, ["start old", "drop old"]);
});
