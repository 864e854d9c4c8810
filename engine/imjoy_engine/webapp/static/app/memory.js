// What this browser remembers between visits.

const TOKEN = "imjoy.token";
const CLIENT = "imjoy.client";
const OTHERS = "imjoy.engines";

/** Take the token from `#token=…`, which the address bar is then freed of, else the remembered one. */
export function knownToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    history.replaceState(null, "", location.pathname + location.search);
    rememberToken(given);
  }
  return given || localStorage.getItem(TOKEN) || "";
}

export function rememberToken(token) {
  if (token) localStorage.setItem(TOKEN, token);
  else localStorage.removeItem(TOKEN);
}

/** An id of this browser, by which the engine finds its `single-instance` and detached plugins again. */
export function clientId() {
  let id = localStorage.getItem(CLIENT);
  if (!id) {
    id = ImJoyEngine.newClientId();
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

export function forgetOther(url) {
  localStorage.setItem(OTHERS, JSON.stringify(knownOthers().filter((other) => other.url !== url)));
}
