// Plugin files as imjoy-core reads them, also those that it stumbles over.

/** A config that names no version of the API is read as of this one: what is older has other words in it. */
const UNNAMED_API_VERSION = "0.1.5";
const PROVIDED = ["native-python", "web-worker", "iframe", "window", "rpc-window", "rpc-worker", "collection"];
const CONFIG = /(<config([^>]*)>)([^]*?)(<\/config>)/;

/**
 * Return `parse`, imjoy-core's, for files without an `api_version` too. What is of no type that runs is refused as such.
 *
 * @param {(code: string, more?: object) => any} parse
 */
export function withDefaultVersion(parse) {
  /**
   * @param {string} code
   * @param {object} [more]
   */
  return (code, more) => {
    const config = parse(withVersion(code), more);
    config.code = code;
    if (!PROVIDED.includes(config.type)) throw typeError(config);
    return config;
  };
}

/**
 * imjoy-core takes the version apart before it looks whether there is one, and whether it is text.
 *
 * @param {string} code
 */
export function withVersion(code) {
  return code.replace(CONFIG, (whole, begin, attributes, content, end) => {
    if (/\blang\s*=\s*["']?yaml/.test(attributes)) return begin + versionedYaml(content) + end;
    try {
      const config = JSON.parse(content);
      if (typeof config.api_version === "string") return whole;
      const api_version = String(config.api_version ?? UNNAMED_API_VERSION);
      return begin + JSON.stringify({ ...config, api_version }) + end;
    } catch {
      return whole;
    }
  });
}

/** @param {string} content */
function versionedYaml(content) {
  const named = /^([ \t]*api_version[ \t]*:[ \t]*)([^\s"'#]+)/m;
  if (named.test(content)) return content.replace(named, (_, key, version) => `${key}"${version}"`);
  if (/^[ \t]*api_version[ \t]*:[ \t]*["']/m.test(content)) return content;
  const [margin] = /^[ \t]*(?=\S)/m.exec(content) || [""];
  return `${content.trimEnd()}\n${margin}api_version: "${UNNAMED_API_VERSION}"\n`;
}

/** @param {{name: string, type: string}} config */
function typeError({ name, type }) {
  return Object.assign(new Error(`${name} is of type ${type}, which this page does not support.`), {
    id: "plugin.type",
    what: `${name} is a plugin of type ${type}, which this page does not support.`,
    why: type === "web-python" ? "Python in the page (Pyodide) would have to be loaded from another site." : "",
    fix: `It supports ${PROVIDED.slice(0, 4).join(", ")}. A script in Python runs as native-python.`,
  });
}
