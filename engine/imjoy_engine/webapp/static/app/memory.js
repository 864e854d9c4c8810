// What this browser remembers between visits.

import { newClientId } from "../engine/client.js";

/** The url of the engine that serves this page, without a slash at its end: behind a proxy it may have a path. */
export const home = new URL(".", location.href).href.replace(/\/$/, "");

// Engines behind one proxy share its origin, and with it what the browser remembers.
const ofHome = (name) => (home === location.origin ? name : `${name} ${home}`);
const TOKEN = ofHome("imjoy.token");
const CLIENT = "imjoy.client";
const OTHERS = "imjoy.engines";
const ENVIRONMENTS = "imjoy.environments";
const GRANTS = ofHome("imjoy.permissions");

/**
 * The tokens to try, in this order: what `#code=…` is good for, once, or `#token=…` gives, then the remembered one. Any
 * page can send a person here with a token of its choice, so none is remembered before it worked. The address bar is
 * freed of both; the browser's history keeps them, so the engine hands out codes.
 */
export async function knownTokens() {
  const given = new URLSearchParams(location.hash.slice(1));
  const [code, direct] = [given.get("code"), given.get("token")];
  if (code || direct) history.replaceState(null, "", location.pathname + location.search);
  const token = direct || (code && (await redeemed(code)));
  return [...new Set([token, localStorage.getItem(TOKEN)])].filter(Boolean);
}

async function redeemed(code) {
  const headers = { Authorization: `Bearer ${code}` };
  try {
    const response = await fetch(`${home}/api/v1/codes/redeem`, { method: "POST", headers });
    return response.ok ? (await response.json()).token : "";
  } catch {
    return "";
  }
}

const COMMAND = ofHome("imjoy.command");

/** What a person types for `imjoy` where this engine was started, as it told at its last visit. */
export const knownCommand = () => localStorage.getItem(COMMAND) || "imjoy";

export function rememberCommand(command) {
  localStorage.setItem(COMMAND, command);
}

export function rememberToken(token) {
  localStorage.setItem(TOKEN, token);
}

/** Forget the remembered token; where `token` is given, only when it is that one. */
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

/** The engines besides the one that serves this page: [{url, token}]. */
export function knownOthers() {
  try {
    return JSON.parse(localStorage.getItem(OTHERS)) || [];
  } catch {
    return [];
  }
}

export function rememberOther(engine) {
  forgetOther(engine.url);
  localStorage.setItem(OTHERS, JSON.stringify([...knownOthers(), engine]));
}

/** What plugins were allowed: [{identity, kind, name}]. */
export function knownGrants() {
  try {
    return JSON.parse(localStorage.getItem(GRANTS)) || [];
  } catch {
    return [];
  }
}

export function rememberGrant(grant) {
  forgetGrant(grant);
  localStorage.setItem(GRANTS, JSON.stringify([...knownGrants(), grant]));
}

export function forgetGrant({ identity, kind }) {
  const others = knownGrants().filter((grant) => grant.identity !== identity || grant.kind !== kind);
  localStorage.setItem(GRANTS, JSON.stringify(others));
}

export function forgetOther(url) {
  localStorage.setItem(OTHERS, JSON.stringify(knownOthers().filter((other) => other.url !== url)));
}

function knownEnvironments() {
  try {
    return JSON.parse(localStorage.getItem(ENVIRONMENTS)) || {};
  } catch {
    return {};
  }
}

/** Instead of a name of an environment, which has no such character: its own, with the newest packages. */
export const NEWEST = "/newest";

/** Where a person wants a plugin to run: the name of an environment of theirs, "" for its own, null when they have not said. */
export const environmentOf = (plugin) => knownEnvironments()[plugin] ?? null;

export function rememberEnvironment(plugin, environment) {
  const { [plugin]: _, ...others } = knownEnvironments();
  localStorage.setItem(
    ENVIRONMENTS,
    JSON.stringify(environment === null ? others : { ...others, [plugin]: environment }),
  );
}
