// Where the file of a plugin is, behind the address of the page on which a person found it.

const RAW = "https://raw.githubusercontent.com";
const GISTS = "https://gist.githubusercontent.com";

/**
 * The address of the file itself: of a file's page on GitHub, of a gist, of a link that opens an ImJoy app with a plugin.
 * Any other url stays as it is.
 *
 * @param {string} text
 * @returns {string}
 */
export function fileAddress(text) {
  const url = new URL(text);
  const parts = url.pathname.split("/").filter(Boolean);
  if (url.hostname === "github.com" && ["blob", "raw"].includes(parts[2]) && parts.length > 4) {
    const [owner, name, , ...rest] = parts;
    return `${RAW}/${[owner, name, ...rest].join("/")}`;
  }
  if (url.hostname === "gist.github.com" && parts.length > 1) {
    const [owner, id, ...rest] = parts;
    return `${GISTS}/${owner}/${id}/${rest[0] === "raw" ? rest.join("/") : "raw"}`;
  }
  const plugin = /^(.+\.)?imjoy\.io$/.test(url.hostname) && pluginOf(url);
  return plugin ? fileAddress(plugin) : url.href;
}

/**
 * What `?plugin=` names, in the query or behind the `#` of an app.
 *
 * @param {URL} url
 */
function pluginOf(url) {
  const named = url.searchParams.get("plugin") || new URLSearchParams(url.hash.split("?")[1]).get("plugin");
  try {
    return named && new URL(named) && named;
  } catch {
    return null; // URL.canParse came with Safari 17
  }
}

/**
 * Whether the address is one of GitHub's that holds no file, such as a repository's or a folder's.
 *
 * @param {string} address
 */
export function isFolderPage(address) {
  return /^https:\/\/github\.com\/[^/]+(\/[^/]+(\/tree\/.*)?)?\/?$/.test(address);
}

/**
 * Why nothing came from an address, as far as a page can tell: {what, why, fix}.
 *
 * @param {string} address
 * @param {string} reason what the browser says
 * @returns {Promise<Problem>}
 */
export async function explainFetchFailure(address, reason) {
  const { hostname, host } = new URL(address);
  const isHere = ["127.0.0.1", "localhost", "[::1]"].includes(hostname);
  if (!navigator.onLine && !isHere) {
    return {
      what: "This computer is offline.",
      why: `${address} is on the network.`,
      fix: "Connect it to the network, or load the plugin from a file.",
    };
  }
  // Where the answer may not be read, whether there is one may still be known.
  const answers = await fetch(address, { mode: "no-cors", credentials: "omit", referrerPolicy: "no-referrer" }).then(
    () => true,
    () => false,
  );
  if (answers) {
    return {
      what: `${host} does not let pages read its files.`,
      why: "Browsers let a page read the files of another site only where that site allows it.",
      fix: "Download the file, and load it from this computer.",
    };
  }
  return {
    what: `${host} cannot be reached.`,
    why: `${reason}. This computer may be offline, or a firewall blocks that address.`,
    fix: "Open the address in this browser to see what it says, or load the plugin from a file.",
  };
}
