// The plugins on the page: load, run, stop, forget.

import { completeUrl } from "../../engine/client.js";
import { idOf, messageOf } from "../../engine/errors.js";
import { sleep } from "../../engine/timing.js";
import { fileAddress, isFolderPage, explainFetchFailure } from "./addresses.js";
import { connectionOf, connectOther, core, isConnected, on, startedImJoy } from "../core/core.js";
import { readable } from "../model/errors.js";
import { parseFields } from "./fields.js";
import {
  environmentOf,
  fileOf,
  rememberEnvironment,
  rememberFile,
  rememberResources,
  resourcesOf,
} from "../model/storage.js";
import { showView } from "../layout/panes.js";
import { forgetRuns, holdRun, putBack } from "../core/resumed_runs.js";
import { approve } from "../core/permissions.js";
import { changedResources, requestedResources, resourceFields } from "./resources.js";
import { addLog, addOutput, ask, pluginNamed, showSnackbar, state } from "../model/state.js";
import { openResult } from "../layout/windows.js";
import { DEFAULT, forget, forgetPlugin, keepPlugin, onEntered } from "../layout/workspaces.js";

const { markRaw, nextTick } = Vue;
/** The plugin with which other apps connect to an engine; this page can do that by itself. */
const ENGINE_PLUGIN = "ImJoy-Engine";
const FINAL_STATES = ["exited", "failed", "stopped"];
/** An engine that stops ends its plugins first; this long before it is missed they were still wanted. */
const STOPPING_MILLISECONDS = 15_000;
/** The frame of a web plugin has run the plugin's script within this time. What its setup() does may take longer. */
const START_MILLISECONDS = 60_000;
/** A browser whose IndexedDB is in disorder may never answer. */
const STORE_MILLISECONDS = 10_000;
/** Between two attempts to reach an engine where runs go on; it holds them for 30 s. */
const RETRY_MILLISECONDS = 1000;

/**
 * Load a plugin file, remember it, and ask for its tag where it has several; `keepsTag`: a plugin that is here already keeps
 * its own. Returns its card once it is loaded, or at once where not `waits`; or null, and `state.loadError` says why.
 *
 * @param {string} source
 * @param {string} file what its file is called
 * @param {string} [origin] the site that it is from
 * @param {{keepsTag?: boolean, waits?: boolean}} [options]
 * @returns {Promise<Card | null>}
 */
export async function addPlugin(source, file, origin = "", { keepsTag = false, waits = true } = {}) {
  state.loadError = null;
  state.loading = true;
  try {
    const config = await parse(source, file);
    if (config.name === ENGINE_PLUGIN && (config.flags || []).includes("engine-factory")) {
      await addEngine(origin);
      return null;
    }
    const tags = Array.isArray(config.tags) ? config.tags : [];
    const known = pluginNamed(config.name);
    const tagBefore = keepsTag && tags.find((tag) => tag === known?.tag);
    const tag = tagBefore || (tags.length > 1 ? await chooseTag(config.name, tags) : tags[0]);
    if (tag === null) return null;
    const { key, loaded } = { ...known?.template };
    const plugin = { code: source, tag, origin: file };
    const kept = await keepPlugin({ ...plugin, name: config.name, key, loaded });
    rememberFile(state.workspace, config.name, null);
    const card = cardFor(templateOf({ ...plugin, ...kept }));
    const loading = load(card);
    if (waits) await loading;
    return card;
  } catch (error) {
    state.loadError = readable(error, `${file} could not be loaded.`);
    return null;
  } finally {
    state.loading = false;
  }
}

/** Encodings that name themselves by a file's first bytes. @type {Record<string, string>} */
const MARKS = { "255,254": "utf-16le", "254,255": "utf-16be" };

/**
 * Add the plugin in a file that a person picked; one that is no text in UTF-8 or UTF-16 is told, not guessed at.
 *
 * @param {File} file
 * @param {{keepsTag?: boolean, waits?: boolean}} [options]
 */
export async function addPluginFile(file, options) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let source;
  try {
    source = new TextDecoder(MARKS[bytes.subarray(0, 2).join()] || "utf-8", { fatal: true }).decode(bytes);
  } catch {
    state.loadError = {
      id: "plugin.encoding",
      what: `${file.name}: this is not text in UTF-8.`,
      why: "It may be in one of the older encodings of Windows or Western Europe.",
      fix: "Save the file as UTF-8 (in Notepad: Save as, Encoding UTF-8), then load it again.",
    };
    return;
  }
  await addPlugin(source, file.name, "", options);
}

/**
 * Fetch the text of a plugin's file. Throws {what, why, fix} when there is none.
 *
 * @param {string} url
 */
async function fetched(url) {
  const address = fileAddress(url);
  if (isFolderPage(address)) {
    throw {
      what: `${url} is a page with many files.`,
      why: "A plugin is one file, NAME.imjoy.html.",
      fix: "Open the plugin's file on that page, and use the address of that file.",
    };
  }
  let response;
  try {
    response = await fetch(address, { credentials: "omit", referrerPolicy: "no-referrer" });
  } catch (error) {
    throw await explainFetchFailure(address, messageOf(error));
  }
  if (response.ok) return response.text();
  const isMissing = response.status === 404;
  throw {
    what: isMissing ? `There is no file at ${url}.` : `${url} could not be fetched.`,
    why: `${new URL(address).host} answered ${response.status} ${response.statusText}.`,
    fix: isMissing ? "Check that the address is complete and that the repository is public." : "",
  };
}

/**
 * Add the plugin at a url; `state.loadError` says why where that fails.
 *
 * @param {string} url
 */
export async function addPluginFromUrl(url) {
  state.loadError = null;
  state.loading = true;
  let source;
  try {
    source = await fetched(url);
  } catch (error) {
    state.loadError = readable(error, `${url} could not be fetched.`);
    return;
  } finally {
    state.loading = false;
  }
  const { origin, pathname } = new URL(url);
  await addPlugin(source, pathname.split("/").pop() || url, origin);
}

/**
 * Ask for the url and the token of another engine, and connect. Its own plugin does the same in other apps.
 *
 * @param {string} [url] what is offered
 * @param {string} [why] it is asked for
 */
export async function addEngine(url = "", why = "") {
  const answer = await ask("form", {
    title: "Add another engine",
    parts: parseFields({
      fields: [
        ...(why ? [{ text: why }] : []),
        { id: "url", label: "Its url", placeholder: url || "http://127.0.0.1:8080", required: true },
        { id: "token", type: "password", label: "Its connection token", required: true },
        {
          text: `It has to allow this page: imjoy start --allow-origin ${location.origin}`,
        },
      ],
    }),
    action: "Connect",
  });
  if (answer === null) return;
  const other = completeUrl(answer.url);
  try {
    await connectOther({ url: other, token: answer.token.trim() });
    showSnackbar(`Plugins now run on ${other}.`);
  } catch (error) {
    state.loadError = readable(error, `${other} could not be connected.`);
  }
}

/**
 * The plugins that this browser kept, before engines kept them. Throws where its IndexedDB cannot be read.
 *
 * @returns {Promise<FormerPlugin[]>}
 */
export async function formerPlugins() {
  const { pm } = startedImJoy();
  await pm.loadWorkspace(DEFAULT);
  /** @type {Promise<never>} */
  const late = sleep(STORE_MILLISECONDS).then(() => {
    throw new Error(`IndexedDB did not answer within ${STORE_MILLISECONDS / 1000} s.`);
  });
  const { rows } = await Promise.race([pm.db.allDocs({ include_docs: true }), late]);
  return rows
    .map(({ doc: { _id, code, tag, origin } }) => ({ name: _id, code, tag, origin }))
    .filter(({ code }) => code);
}

/** Load what the engine keeps of the workspace. */
export function followPlugins() {
  onEntered(({ plugins }) => {
    /** @type {Map<string, PluginTemplate>} */
    const templates = new Map();
    for (const plugin of plugins) {
      try {
        const template = templateOf(plugin);
        // Of one name the newest is loaded; two tabs could keep two once.
        const older = templates.get(template.name);
        if (older?.key) forget(older.key).catch((error) => addLog("", "app", messageOf(error)));
        templates.set(template.name, template);
      } catch (error) {
        // One file of another time keeps nobody from the others.
        addLog("", "app", `${plugin.origin || "A plugin"} was not loaded. ${messageOf(error)}`);
      }
    }
    // Who was quick has loaded it already.
    for (const template of templates.values()) if (!pluginNamed(template.name)) load(cardFor(template));
  });
}

/**
 * What a card begins with: the config that is in the file, and its code.
 *
 * @param {KeptPlugin} plugin
 * @returns {PluginTemplate}
 */
function templateOf({ key, loaded, code, tag, origin }) {
  return { ...startedImJoy().pm.parsePluginCode(code, { tag, origin }), code, key, loaded };
}

/**
 * Begin a plugin, anew where it runs; its card says how that goes. Returns once it is there, or has failed.
 *
 * @param {Card} card
 */
export async function load(card) {
  card.error = null;
  card.progress = null;
  card.place = null;
  card.plugin = null;
  card.ops = [];
  endRuns(card);
  const { life } = card;
  // What the run before still has to say is not about this one.
  card.engineId = "";
  if (card.isNative && !isConnected()) {
    card.state = "waiting";
    return;
  }
  card.state = "loading";
  const late = card.isNative ? undefined : setTimeout(() => failLate(card), START_MILLISECONDS);
  /** @type {Promise<never>} */
  const ended = new Promise((resolve, reject) => (card.fail = markRaw(reject)));
  try {
    const { code = "", tag, origin, name } = card.template;
    approve(code);
    const plugin = await Promise.race([startedImJoy().pm.reloadPlugin({ code, tag, origin, name }), ended]);
    if (card.life !== life) return;
    card.plugin = markRaw(plugin);
    card.canRun = typeof plugin.api?.run === "function";
    card.state = "ready";
    syncCards();
    for (const held of card.held) conclude(card, held, async () => card.calls?.outcomes.get(held.call));
  } catch (error) {
    // Who begins it anew, or stops it, has it from there on.
    if (card.life === life && !FINAL_STATES.includes(card.state)) {
      fail(card, readable(error, `${card.name} could not be loaded.`, "plugin.raised"));
    }
  } finally {
    clearTimeout(late);
    if (card.life === life) {
      card.fail = null;
      if (!card.plugin) endRuns(card);
    }
  }
}

/** @param {Card} card */
function failLate(card) {
  const { pm } = startedImJoy();
  if (pm.plugin_names[card.name]?.api) return;
  card.fail?.({
    id: "plugin.no-answer",
    what: `${card.name} did not start within ${START_MILLISECONDS / 1000} s.`,
    why: "The frame that it runs in has not answered: its script is still computing, or something that it needs could not be fetched.",
    fix: "The browser's console says what it waits for.",
  });
  pm.unloadPlugin({ name: card.name }, true);
}

/**
 * What its runs would still answer is not waited for: it has been stopped, or begins anew.
 *
 * @param {Card} card
 */
function endRuns(card) {
  card.life += 1;
  Object.assign(card, { runs: 0, held: [], running: false, percent: null, status: "" });
}

/**
 * Run a plugin, or one of its operations, on `data`.
 *
 * @param {Card} card
 * @param {Operation | null} op
 * @param {object} [data]
 */
export async function run(card, op, data = {}) {
  const name = op ? op.name : card.name;
  let config;
  try {
    config = await askConfig(name, op ? op.ui : card.template.ui);
  } catch (error) {
    if (!FINAL_STATES.includes(card.state)) fail(card, readable(error, `${name} failed.`), card.state);
    return;
  }
  if (config === null) return;
  Object.assign(card, { error: null, percent: null, status: "", runs: card.runs + 1 });
  const argument = { config, data, type: card.name, name };
  const held = holdRun(card, op?.name, argument);
  const call = op ? op.run : card.plugin?.api?.run;
  await conclude(card, { op: op?.name, begun: Date.now(), call: held?.call }, async () => call(argument));
}

/**
 * Show what a run comes to.
 *
 * @param {Card} card
 * @param {Partial<HeldRun> & {begun: number}} about
 * @param {() => Promise<any>} begin
 */
async function conclude(card, { op, begun, call }, begin) {
  const { life, calls } = card;
  try {
    const windowsBefore = state.windows.length;
    const result = await begin();
    const seconds = (Date.now() - begun) / 1000;
    if (card.life !== life) return;
    if (await openResult(card.plugin, result)) return;
    addOutput({ plugin: card.name, op, kind: "result", value: markRaw({ result }), seconds });
    if (state.windows.length <= windowsBefore) await showNewest();
  } catch (error) {
    // A plugin that ended has said so already.
    const isNews = card.life === life && !FINAL_STATES.includes(card.state);
    if (isNews) fail(card, readable(error, `${op || card.name} failed.`), card.state);
  } finally {
    if (call) calls?.confirm(call);
    if (card.life === life) {
      const held = card.held.filter((each) => each.call !== call);
      Object.assign(card, { runs: card.runs - 1, percent: null, held });
    }
  }
}

/** On a narrow or enlarged page what a run answers lies below the plugins. */
async function showNewest() {
  showView("output");
  await nextTick();
  document.querySelector("#main .entry")?.scrollIntoView({ block: "nearest" });
}

/**
 * Have a plugin run elsewhere from now on: in an environment of the person's, "" for its own, null for what it asks for.
 *
 * @param {Card} card
 * @param {string | null} environment
 */
export async function chooseEnvironment(card, environment) {
  rememberEnvironment(card.name, environment);
  card.environment = environment;
  card.anyway = false;
  await stop(card);
  await load(card);
}

/**
 * Ask what a plugin shall have of the cluster in place of what it asks for, and start it anew with that.
 *
 * @param {Card} card
 * @param {Cluster} cluster
 */
export async function chooseResources(card, cluster) {
  const own = requestedResources(card.template, card.tag, cluster);
  const answers = await ask("form", {
    title: `${card.name} on ${cluster.name}`,
    parts: parseFields({ fields: resourceFields({ ...own, ...card.resources }, cluster) }),
    action: "Start",
  });
  if (answers === null) return;
  card.resources = changedResources(answers, own);
  rememberResources(card.name, card.resources);
  await stop(card);
  await load(card);
}

/**
 * Start a plugin although its environment lacks something.
 *
 * @param {Card} card
 */
export async function loadAnyway(card) {
  card.anyway = true;
  await load(card);
}

/**
 * End a plugin, with its process where it has one.
 *
 * @param {Card} card
 */
export async function stop(card) {
  endRuns(card);
  forgetRuns(card.name);
  card.stops += 1;
  try {
    if (card.isNative && card.engineId) await connectionOf(card)?.client.stopPlugin(card.engineId);
  } catch (error) {
    showSnackbar(readable(error, `${card.name} could not be stopped.`).what);
  }
  startedImJoy().pm.unloadPlugin({ name: card.name }, true);
  card.plugin = null;
  card.progress = null;
  card.state = "stopped";
}

/**
 * End a plugin, and forget it here and in the engine.
 *
 * @param {Card} card
 */
export async function remove(card) {
  await stop(card);
  try {
    // Gone from the page means gone: a reload right after must not bring it back.
    await forgetPlugin(card.template);
  } catch (error) {
    state.loadError = readable(error, `${card.name} could not be removed.`);
    return;
  }
  rememberEnvironment(card.name, null);
  rememberResources(card.name, null);
  rememberFile(state.workspace, card.name, null);
  state.plugins.splice(state.plugins.indexOf(card), 1);
}

/** Copy what imjoy-core knows of its plugins to the cards. */
export function syncCards() {
  const services = Object.values(startedImJoy().pm.service_registry);
  for (const card of state.plugins) {
    const { plugin } = card;
    if (!plugin) continue;
    card.running = Boolean(plugin.running);
    card.ops = services
      .filter(({ providerId, name }) => providerId === plugin.id && name !== card.name)
      .flatMap(({ name, ui, run }) => (run ? [markRaw({ name, ui, run })] : []));
  }
}

/**
 * Begin a plugin again once its engine is reached: its runs go on there.
 *
 * @param {Card} card
 */
async function findAgain(card) {
  endRuns(card);
  const { life } = card;
  while (card.life === life) {
    const isReached = await connectionOf(card)
      ?.client.status()
      .catch(() => null);
    if (isReached && card.life === life) await load(card);
    else await sleep(RETRY_MILLISECONDS);
  }
}

/** Load, lose and fail the cards as the engine does. */
export function followEngine() {
  on("connected", () => {
    for (const card of state.plugins) {
      if (card.isNative && ["waiting", "lost"].includes(card.state)) load(card);
    }
  });
  on("lost", (url) => {
    for (const card of state.plugins) {
      const wentWithIt = card.state === "exited" && Date.now() - card.endedAt < STOPPING_MILLISECONDS;
      if (card.isNative && card.engineUrl === url && (wentWithIt || !FINAL_STATES.includes(card.state))) {
        if (card.held.length) putBack(card, true);
        card.state = "lost";
        card.plugin = null;
        endRuns(card);
      }
    }
  });
  on("dropped", (name) => {
    const card = pluginNamed(name);
    if (card) findAgain(card);
  });
  on("refused", (url, error) => addEngine(url, `${url}: ${error.what}`));
  on("ended", (name, error) => {
    const card = pluginNamed(name);
    card?.fail?.(error || new Error("It has ended."));
  });
}

/**
 * The card of a plugin, as it is before the plugin begins.
 *
 * @param {PluginTemplate} template
 * @returns {Card}
 */
function cardFor(template) {
  const known = pluginNamed(template.name);
  /** @type {Card} */
  const fresh = {
    name: template.name,
    version: template.version || "",
    description: template.description || "",
    type: template.type,
    tag: template.tag || "",
    isNative: template.type === "native-python",
    template: markRaw(template),
    plugin: null,
    state: "stopped",
    engineId: "",
    engineUrl: "",
    attached: false,
    progress: null,
    place: null,
    since: 0,
    percent: null,
    status: "",
    running: false,
    runs: 0,
    held: [],
    holds: false,
    calls: null,
    life: (known?.life || 0) + 1,
    stops: known?.stops || 0,
    canRun: false,
    ops: [],
    file: fileOf(state.workspace, template.name),
    environment: environmentOf(template.name),
    anyway: false,
    resources: resourcesOf(template.name),
    error: null,
    fail: null,
    endedAt: 0,
  };
  if (known) return Object.assign(known, fresh);
  state.plugins.unshift(fresh);
  return state.plugins[0];
}

/**
 * Parse with imjoy-core. Where that fails, the engine, which names block and line, is asked for the reason.
 *
 * @param {string} source
 * @param {string} file
 */
async function parse(source, file) {
  const { pm } = startedImJoy();
  try {
    const config = pm.parsePluginCode(source);
    pm.validatePluginConfig(config);
    return config;
  } catch (error) {
    if (core.client && !idOf(error)) {
      const accepted = await core.client.startPlugin({ source, file });
      await core.client.stopPlugin(accepted.id);
    }
    throw error;
  }
}

/** @param {string} name @param {string[]} tags @returns {Promise<string | null>} */
async function chooseTag(name, tags) {
  const answer = await ask("form", {
    title: name,
    parts: parseFields({
      fields: [{ id: "tag", type: "choose", label: "This plugin comes in several kinds. Which one?", options: tags }],
    }),
    action: "Load",
  });
  return answer && answer.tag;
}

/** @param {string} name @param {unknown} ui @returns {Promise<object | null>} */
async function askConfig(name, ui) {
  const parts = parseFields({ ui });
  if (!parts.some((part) => part.field)) return {};
  return ask("form", { title: name, parts, action: "Run" });
}

/** @param {Card} card @param {Problem} error @param {string} [nextState] */
function fail(card, error, nextState = "failed") {
  card.error = error;
  card.state = nextState;
  addOutput({ plugin: card.name, kind: "error", error: card.error });
}
