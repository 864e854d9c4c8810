// Why a page cannot reach an engine.

const OWN_MACHINE = ["127.0.0.1", "localhost", "[::1]"];

/**
 * The url that a text is, or null (URL.canParse came with Safari 17).
 *
 * @param {string} text
 */
function parsed(text) {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

/** Whether this is Safari; other browsers have its name among theirs. */
function isSafari() {
  const agent = globalThis.navigator?.userAgent || "";
  return /Version\/.* Safari\//.test(agent) && !/Chrom|Android|Edg|OPR|Firefox/.test(agent);
}

/** Whether the browser keeps this page, or the frame that it is in, from reaching this machine. */
export async function localNetworkIsClosed() {
  try {
    const name = /** @type {PermissionName} */ ("local-network-access");
    return (await globalThis.navigator.permissions.query({ name })).state === "denied";
  } catch {
    return false; // a browser that asks nobody
  }
}

/**
 * Why, as far as the two addresses and a permission tell, and the way out.
 *
 * @param {string} url the engine's
 * @param {string} message the browser's
 * @param {boolean} isClosed whether the browser keeps this page from programs of this machine
 */
export function whyUnreachable(url, message, isClosed = false) {
  const { protocol = "", hostname = "", port = "" } = parsed(url) || {};
  const isHere = OWN_MACHINE.includes(hostname);
  // A web worker made from a blob has its page's scheme behind its own.
  const page = globalThis.location?.href || "";
  const pageIsSecure = /^(blob:)?https:/.test(page);
  const pageIsHere = /^(blob:)?https?:\/\/(127\.0\.0\.1|localhost|\[::1\])[:/]/.test(page);
  if (protocol === "http:" && pageIsSecure && !isHere) {
    return {
      why: `This page is https, and browsers block such pages from plain http addresses on the network, such as ${url}.`,
      fix: `Start the engine with --tls, or forward its port to this machine: ssh -L ${port}:127.0.0.1:${port} ${hostname}`,
    };
  }
  if (protocol === "http:" && pageIsSecure && isSafari()) {
    return {
      why: `This page is https, and most versions of Safari block such pages from all plain http addresses, such as ${url}.`,
      fix: `Open ${url} itself in Safari: the engine has this app too. Or use another browser for this page.`,
    };
  }
  if (isHere && !pageIsHere && isClosed) {
    return {
      why: `The browser does not let this page reach programs on this machine (local network access), such as ${url}.`,
      fix: [
        "Allow it in the browser's settings for this site, then load the page again.",
        `Or use the app that the engine serves, which needs no permission: imjoy start --serve, then open ${url}`,
      ].join("\n"),
    };
  }
  const trust = `Open ${url} in this browser, and check whether it accepts the engine's certificate.`;
  return {
    why: `${url} cannot be reached (${message}).`,
    fix: [
      "Start it with: imjoy start",
      protocol === "https:" ? trust : "If it runs, check whether the browser asks for access to the local network.",
    ].join("\n"),
  };
}
