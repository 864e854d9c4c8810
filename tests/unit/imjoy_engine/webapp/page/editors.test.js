// Plugins that are written on the page, beside other programs that write the same files.

import assert from "node:assert/strict";
import { register } from "node:module";
import { test } from "node:test";

/** The workspace, by path; what the page asks, and what a person answers. */
const workspace = new Map();
const asked = [];
let answer = null;
let editor = null;

const files = {
  async getFile(path) {
    if (!workspace.has(path)) throw { id: "files.not-found" };
    return new Blob([workspace.get(path)]);
  },
  async putFile({ path, overwrite }, content) {
    if (workspace.has(path) && !overwrite) throw { id: "files.exists" };
    workspace.set(path, await content.text());
  },
};
const card = (path, code) => ({ name: "Blur", file: path && { path, isWatched: false }, template: { code } });
const loaded = [];
globalThis.Vue = { reactive: (value) => value, markRaw: (value) => value, watch: () => {} };
globalThis.page = {
  core: { client: {} },
  filesOf: () => files,
  ownClient: () => ({}),
  chooseFiles: async () => answer,
  noteWriting: (promise) => promise,
  rememberFile: () => {},
  state: { plugins: [], workspace: "default" },
  async addPlugin(source) {
    loaded.push(source);
    return { ...card("", source), plugin: {}, canRun: true };
  },
  run: () => new Promise(() => {}),
  async ask(kind, { title }) {
    asked.push(title);
    return answer;
  },
  openOwnWindow(title, content) {
    editor = content;
    // As CodeMirror takes a text.
    editor.code = { replace: (text) => (editor.text = text.replace(/\r\n?/g, "\n")) };
    return { show() {} };
  },
};

const stub = `export const { ${Object.keys(globalThis.page)} } = globalThis.page;`;
const hooks = `export const resolve = (name, context, next) =>
  context.parentURL?.endsWith("/app/plugins/editors.js") && !name.endsWith("/errors.js")
    ? { url: ${JSON.stringify(`data:text/javascript,${encodeURIComponent(stub)}`)}, shortCircuit: true }
    : next(name, context);`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
const { editPlugin, openFromWorkspace, save, saveAndRun } = await import(
  `${process.env.STATIC}/app/plugins/editors.js`
);

/** Edit a plugin that was loaded when its file held `code`; now it holds `now`. */
async function edit(path, now, code = now) {
  workspace.set(path, now);
  asked.splice(0);
  await editPlugin(card(path, code));
}

test("the file is edited as it is now, not as it was loaded", async () => {
  await edit("now.imjoy.html", "newer\n", "older\n");
  assert.deepEqual([editor.text, editor.kept], ["newer\n", "newer\n"]);
});

test("a file that is gone begins with what is loaded, and is written anew unasked", async () => {
  asked.splice(0);
  await editPlugin(card("gone.imjoy.html", "loaded\n"));
  assert.deepEqual([editor.text, editor.kept], ["loaded\n", null]);
  assert.equal(await save(editor), true);
  assert.deepEqual([workspace.get("gone.imjoy.html"), asked], ["loaded\n", []]);
});

test("what another program wrote since is not replaced unasked", async () => {
  const path = "both.imjoy.html";
  await edit(path, "first\n");
  editor.text = "mine\n";
  workspace.set(path, "theirs\n");
  assert.equal(await save(editor), false);
  assert.deepEqual([workspace.get(path), asked], ["theirs\n", [`Replace ${path}?`]]);
  answer = true;
  assert.equal(await save(editor), true);
  answer = null;
  editor.text = "mine again\n";
  assert.equal(await save(editor), true);
  assert.deepEqual([workspace.get(path), asked.length], ["mine again\n", 2]);
});

for (const end of ["\r\n", "\r", "\n"]) {
  test(`lines that end in ${JSON.stringify(end)} still do when they are saved and loaded`, async () => {
    const path = `${end.length}${end.charCodeAt(0)}.imjoy.html`;
    await edit(path, `a${end}b${end}`);
    assert.equal(editor.text, editor.kept);
    editor.text = "a\nc\n";
    await saveAndRun(editor);
    assert.deepEqual([workspace.get(path), loaded.at(-1), asked], [`a${end}c${end}`, `a${end}c${end}`, []]);

    workspace.set(path, `d${end}`);
    answer = [path];
    await openFromWorkspace();
    answer = null;
    assert.deepEqual([editor.text, editor.kept], ["d\n", "d\n"]);
  });
}

test("what is saved can be saved again while it runs", async () => {
  const path = "runs.imjoy.html";
  await edit(path, "runs\n");
  await saveAndRun(editor);
  editor.text = "runs on\n";
  await saveAndRun(editor);
  assert.equal(workspace.get(path), "runs on\n");
  assert.equal(editor.kept, "runs on\n");
});
