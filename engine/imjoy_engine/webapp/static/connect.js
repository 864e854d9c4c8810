// The page at `/` when the engine does not serve the app: how to connect, and how the engine is doing.

import { messageOf } from "./engine/errors.js";
import { asTyped } from "./app/model/commands.js";
import { forgetToken, home, knownTokens, rememberToken } from "./app/model/storage.js";

/**
 * An element of this page.
 *
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 */
function find(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new TypeError(`This page has no ${id}.`);
  return found;
}

const answer = find("answer", HTMLElement);
const field = find("token", HTMLInputElement);
const REFRESH_MILLISECONDS = 5000;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** @param {string} name @param {object} [properties] @param {Node[]} [children] */
function element(name, properties = {}, children = []) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** @param {Problem} problem */
function problem({ what, why, fix, id }) {
  /** @type {[string, string | undefined][]} */
  const parts = [
    ["what", what],
    ["why", why],
    ["fix", fix],
    ["id", id],
  ];
  return element(
    "div",
    { className: "problem", role: "alert" },
    parts.filter(([, text]) => text).map(([className, textContent]) => element("p", { className, textContent })),
  );
}

/** The page's commands, as they are without an engine to say how they are typed there. */
const commands = [...document.querySelectorAll(".command")].map((code) => ({ code, text: code.textContent }));

/** Show the commands as they are typed on the engine's machine. @param {string} command */
function typeCommandsAs(command) {
  for (const { code, text } of commands) {
    code.textContent = asTyped(text, command);
    code.nextElementSibling?.setAttribute("aria-label", `Copy ${code.textContent}`);
  }
}

/** @param {EngineStatus} status */
function figures(status) {
  const running = status.plugins.filter((plugin) => plugin.pid).map((plugin) => plugin.name);
  const rows = {
    Version: status.version,
    Workspace: status.workspace,
    Memory: `${Math.round(status.memory / 1048576)} MiB`,
    "Running plugins": running.join(", ") || "none",
  };
  return element(
    "dl",
    { className: "figures" },
    Object.entries(rows).flatMap(([name, value]) => [
      element("dt", { className: "quiet", textContent: name }),
      element("dd", { textContent: value }),
    ]),
  );
}

/**
 * Show how the engine is doing, now and from time to time; returns false where it refuses the token.
 *
 * @param {string} token
 */
async function show(token) {
  clearTimeout(timer);
  try {
    const response = await fetch(`${home}/api/v1/status`, { headers: { Authorization: `Bearer ${token}` } });
    const document = await response.json();
    if (!response.ok) {
      if (response.status === 401) forgetToken(token);
      answer.replaceChildren(problem(document.error));
      return false;
    }
    rememberToken(token);
    answer.replaceChildren(figures(document));
    typeCommandsAs(document.command);
  } catch (error) {
    const what = "The engine does not answer.";
    answer.replaceChildren(problem({ what, why: messageOf(error), fix: "Start it with: imjoy start" }));
  }
  timer = setTimeout(show, REFRESH_MILLISECONDS, token);
  return true;
}

find("url", HTMLElement).textContent = home;
const isHere = ["127.0.0.1", "localhost", "[::1]"].includes(location.hostname);
const [reason, line] = find("reach", HTMLElement).children;
if (location.protocol === "https:") {
  reason.textContent = "An https page, such as imjoy.io, reaches this engine once this browser trusts its certificate.";
  line.remove();
} else {
  reason.textContent = isHere
    ? "From another machine an https page, such as imjoy.io, cannot reach this engine: browsers block https pages from " +
      "plain http addresses, except those of their own machine. Start it with --tls, or forward its port to that machine:"
    : "An https page, such as imjoy.io, cannot reach this engine from here: browsers block https pages from " +
      "plain http addresses on the network. Start it with --tls, or forward its port to this machine:";
  line.textContent = `ssh -L ${location.port}:127.0.0.1:${location.port} ${isHere ? "HOST" : location.hostname}`;
}
// On a page over plain http from another machine browsers let nothing be copied.
for (const code of navigator.clipboard ? document.querySelectorAll(".command") : []) {
  const copy = element("button", { type: "button", className: "plain", textContent: "Copy" });
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(code.textContent);
    copy.textContent = "Copied";
  });
  code.after(" ", copy);
}
typeCommandsAs("imjoy");
const plugin = encodeURIComponent(`${home}/imjoy-engine.imjoy.html`);
find("imjoy-io", HTMLAnchorElement).href = `https://imjoy.io/#/app?plugin=${plugin}`;
find("form", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  show(field.value.trim());
});

for (const token of await knownTokens()) {
  field.value = token;
  if (await show(token)) break;
}
