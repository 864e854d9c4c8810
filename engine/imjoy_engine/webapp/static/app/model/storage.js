// What this browser remembers between visits.

import { newClientId } from "../../engine/client.js";

/** The url of the engine that serves this page, without a slash at its end: behind a proxy it may have a path. */
export const home = new URL(".", location.href).href.replace(/\/$/, "");

// Engines behind one proxy share its origin, and with it what the browser remembers.
/** @param {string} name */
const perEngine = (name) => (home === location.origin ? name : `${name} ${home}`);
const TOKEN = perEngine("imjoy.token");
const CLIENT = "imjoy.client";
const OTHERS = "imjoy.engines";
const ENVIRONMENTS = "imjoy.environments";
const RESOURCES = perEngine("imjoy.resources");
const WORKSPACE = perEngine("imjoy.workspace");
const MIGRATED = perEngine("imjoy.handed-over");
const FILES = perEngine("imjoy.files");
const GRANTS = perEngine("imjoy.permissions");

/**
 * The tokens to try, in this order: what `#code=…` is good for, once, or `#token=…` gives, then the remembered one. Any
 * page can send a person here with a token of its choice, so none is remembered before it worked. The address bar is
 * freed of both; the browser's history keeps them, so the engine hands out codes.
 */
export async function knownTokens() {
  const given = new URLSearchParams(location.hash.slice(1));
  const [code, direct] = [given.get("code"), given.get("token")];
  if (code || direct) history.replaceState(null, "", location.pathname + location.search);
  const token = direct || (code && (await redeemCode(code)));
  return [...new Set([token, localStorage.getItem(TOKEN)])].filter(Boolean);
}

/** @param {string} code */
async function redeemCode(code) {
  const headers = { Authorization: `Bearer ${code}` };
  try {
    const response = await fetch(`${home}/api/v1/codes/redeem`, { method: "POST", headers });
    return response.ok ? (await response.json()).token : "";
  } catch {
    return "";
  }
}

/** The workspace that the address names, else the one that was open last. */
export const wantedWorkspace = () =>
  new URLSearchParams(location.search).get("workspace") || localStorage.getItem(WORKSPACE) || "default";

/** @param {string} name */
export function rememberWorkspace(name) {
  const isFirst = localStorage.getItem(WORKSPACE) === null && localStorage.getItem(MIGRATED) === null;
  if (isFirst) localStorage.setItem(MIGRATED, "{}");
  localStorage.setItem(WORKSPACE, name);
}

/**
 * Whether a plugin that this browser kept before engines did was given to the engine. Asked once a workspace is remembered:
 * the first version that did remember one gave all of them, and left no note of it.
 *
 * @param {string} plugin
 */
export const wasMigrated = (plugin) => localStorage.getItem(MIGRATED) === null || storedFor(MIGRATED, plugin) !== null;

/** @param {string} plugin */
export const rememberMigrated = (plugin) => storeFor(MIGRATED, plugin, true);

const COMMAND = perEngine("imjoy.command");

/** What a person types for `imjoy` where this engine was started, as it told at its last visit. */
export const knownCommand = () => localStorage.getItem(COMMAND) || "imjoy";

/** @param {string} command */
export function rememberCommand(command) {
  localStorage.setItem(COMMAND, command);
}

/** @param {string} token */
export function rememberToken(token) {
  localStorage.setItem(TOKEN, token);
}

/**
 * Forget the remembered token; where `token` is given, only when it is that one.
 *
 * @param {string} [token]
 */
export function forgetToken(token) {
  if (token === undefined || localStorage.getItem(TOKEN) === token) localStorage.removeItem(TOKEN);
}

/** An id of this browser, by which the engine finds its `single-instance` and detached plugins again. */
export function clientId() {
  let id = localStorage.getItem(CLIENT);
  if (!id) {
    id = newClientId();
    localStorage.setItem(CLIENT, id);
  }
  return id;
}

/**
 * What is kept as JSON under a key; `fallback` where nothing is that can be read.
 *
 * @template T
 * @param {string} key
 * @param {T} fallback
 * @returns {T}
 */
function stored(key, fallback) {
  try {
    return JSON.parse(localStorage.getItem(key) || "null") || fallback;
  } catch {
    return fallback;
  }
}

/** The engines besides the one that serves this page. */
export const knownOtherEngines = () => stored(OTHERS, /** @type {{url: string, token: string}[]} */ ([]));

/** @param {{url: string, token: string}} engine */
export function rememberOtherEngine(engine) {
  forgetOtherEngine(engine.url);
  localStorage.setItem(OTHERS, JSON.stringify([...knownOtherEngines(), engine]));
}

/** What plugins were allowed. */
export const knownGrants = () => stored(GRANTS, /** @type {Grant[]} */ ([]));

/** @param {Grant} grant */
export function rememberGrant(grant) {
  forgetGrant(grant);
  localStorage.setItem(GRANTS, JSON.stringify([...knownGrants(), grant]));
}

/** @param {Omit<Grant, "name">} grant */
export function forgetGrant({ identity, kind }) {
  const others = knownGrants().filter((grant) => grant.identity !== identity || grant.kind !== kind);
  localStorage.setItem(GRANTS, JSON.stringify(others));
}

/** @param {string} url */
export function forgetOtherEngine(url) {
  localStorage.setItem(OTHERS, JSON.stringify(knownOtherEngines().filter((other) => other.url !== url)));
}

/**
 * @param {string} key
 * @param {string} plugin
 */
const storedFor = (key, plugin) => stored(key, /** @type {Record<string, any>} */ ({}))[plugin] ?? null;

/**
 * Keep a value for a plugin under a key; null forgets it.
 *
 * @param {string} key
 * @param {string} plugin
 * @param {any} value
 */
function storeFor(key, plugin, value) {
  const { [plugin]: _, ...others } = stored(key, /** @type {Record<string, any>} */ ({}));
  localStorage.setItem(key, JSON.stringify(value === null ? others : { ...others, [plugin]: value }));
}

// A path leads elsewhere in each workspace.
/** @param {string} workspace */
const filesKey = (workspace) => (workspace === "default" ? FILES : `${FILES} ${workspace}`);

/**
 * The file of its workspace that a plugin was loaded from, and whether it is watched; null for one from elsewhere.
 *
 * @param {string} workspace
 * @param {string} plugin
 * @returns {{path: string, isWatched: boolean} | null}
 */
export const fileOf = (workspace, plugin) => storedFor(filesKey(workspace), plugin);

/**
 * @param {string} workspace
 * @param {string} plugin
 * @param {{path: string, isWatched: boolean} | null} file
 */
export const rememberFile = (workspace, plugin, file) => storeFor(filesKey(workspace), plugin, file);

/**
 * Forget the files of a workspace that is made or deleted: one of its name was another.
 *
 * @param {string} workspace
 */
export const forgetFiles = (workspace) => localStorage.removeItem(filesKey(workspace));

/**
 * Take the files of a workspace over to the name that it has from now on.
 *
 * @param {string} workspace
 * @param {string} name
 */
export function moveFiles(workspace, name) {
  const files = localStorage.getItem(filesKey(workspace));
  forgetFiles(workspace);
  forgetFiles(name);
  if (files) localStorage.setItem(filesKey(name), files);
}

/** Instead of a name of an environment, which has no such character: its own, with the newest packages. */
export const NEWEST = "/newest";

/**
 * Where a person wants a plugin to run: the name of an environment of theirs, "" for its own, null when they have not said.
 *
 * @param {string} plugin
 * @returns {string | null}
 */
export const environmentOf = (plugin) => storedFor(ENVIRONMENTS, plugin);

/**
 * @param {string} plugin
 * @param {string | null} environment
 */
export const rememberEnvironment = (plugin, environment) => storeFor(ENVIRONMENTS, plugin, environment);

/**
 * What a person wants a plugin to have of the cluster in place of what it asks for; null when they have not said.
 *
 * @param {string} plugin
 * @returns {Resources | null}
 */
export const resourcesOf = (plugin) => storedFor(RESOURCES, plugin);

/**
 * @param {string} plugin
 * @param {Resources | null} resources
 */
export const rememberResources = (plugin, resources) => storeFor(RESOURCES, plugin, resources);
