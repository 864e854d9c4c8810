// Plugins that are written on the page, beside other programs that write the same files.

import assert from "node:assert/strict";
import { register } from "node:module";
import { test } from "node:test";

/** The workspace, by path. @type {Map<string, string>} */
const workspace = new Map();
/** What the page asks. @type {string[]} */
const asked = [];
/** What a person answers. @type {unknown} */
let answer = null;
/** What was opened last. @type {Editor} */
let editor;

const files = {
  /** @param {string} path */
  async getFile(path) {
    const content = workspace.get(path);
    if (content === undefined) throw { id: "files.not-found" };
    return new Blob([content]);
  },
  /** @param {{path: string, overwrite?: boolean}} target @param {Blob} content */
  async putFile({ path, overwrite }, content) {
    if (workspace.has(path) && !overwrite) throw { id: "files.exists" };
    workspace.set(path, await content.text());
  },
};
/** @param {string} path @param {string} code */
const card = (path, code) =>
  /** @type {Card} */ (
    /** @type {unknown} */ ({ name: "Blur", file: path && { path, isWatched: false }, template: { code } })
  );
/** @type {string[]} */
const loaded = [];
/** @param {unknown} value */
const itself = (value) => value;
/** What stands for the rest of the page. */
const page = {
  core: { client: {} },
  filesOf: () => files,
  ownClient: () => ({}),
  chooseFiles: async () => answer,
  noteWriting: itself,
  rememberFile: () => {},
  state: { plugins: [], workspace: "default" },
  /** @param {string} source */
  async addPlugin(source) {
    loaded.push(source);
    return { ...card("", source), plugin: {}, canRun: true };
  },
  run: () => new Promise(() => {}),
  /** @param {string} kind @param {{title: string}} details */
  async ask(kind, { title }) {
    asked.push(title);
    return answer;
  },
  /** @param {string} title @param {Editor} content */
  openOwnWindow(title, content) {
    editor = content;
    // As CodeMirror takes a text.
    editor.code = { replace: (text) => (editor.text = text.replace(/\r\n?/g, "\n")), focus() {}, close() {} };
    return { show() {} };
  },
};
Object.assign(globalThis, { page, Vue: { reactive: itself, markRaw: itself, watch() {} } });

const stub = `export const { ${Object.keys(page)} } = globalThis.page;`;
const hooks = `export const resolve = (name, context, next) =>
  context.parentURL?.endsWith("/app/plugins/editors.js") && !name.endsWith("/errors.js")
    ? { url: ${JSON.stringify(`data:text/javascript,${encodeURIComponent(stub)}`)}, shortCircuit: true }
    : next(name, context);`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
const { editPlugin, openFromWorkspace, save, saveAndRun } = await import("#page/app/plugins/editors.js");

/**
 * Edit a plugin that was loaded when its file held `code`; now it holds `now`.
 *
 * @param {string} path
 * @param {string} now
 */
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
