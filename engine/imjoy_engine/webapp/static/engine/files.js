// What imjoy-core is given: a file manager over the engine's files.

/** @typedef {ReturnType<typeof makeFileManager>} FileManager */

import { refusal } from "./errors.js";

/**
 * Make a file manager for `imjoy.fm.register` or `api.register`.
 *
 * @param {{client: import("./client.js").EngineClient, name?: string, workspace?: string}} options
 */
export function makeFileManager({ client, name, workspace = "default" }) {
  /**
   * @param {string} path
   * @param {Record<string, string>} more
   */
  const query = (path, more = {}) => new URLSearchParams({ path: path || "", workspace, ...more });

  /** @param {string | WantedFile} wanted */
  const pathOf = (wanted) => (typeof wanted === "string" ? wanted : wanted.path);

  /**
   * @param {"GET" | "PUT"} method
   * @param {string} path
   */
  async function signed(method, path, expires = 3600) {
    const { url } = await client.json("POST", "/api/v1/files/url", { path, workspace, method, expires });
    return new URL(url, client.url).href;
  }

  return {
    type: "file-manager",
    name: name || `ImJoy Plugin Engine (${new URL(client.url).host})`,
    url: client.url,

    /**
     * List one folder as imjoy-core's file managers do.
     *
     * @param {string | WantedFile} root
     */
    async listFiles(root) {
      /** @type {{path: string, entries: FileEntry[]}} */
      const { path, entries } = await client.json("GET", `/api/v1/files?${query(pathOf(root || ""))}`);
      return {
        success: true,
        path,
        name: path.split("/").filter(Boolean).pop() || "/",
        type: "dir",
        children: entries.map((entry) => ({
          ...entry,
          title: entry.name,
          type: entry.type === "folder" ? "dir" : "file",
          isdir: entry.type === "folder",
        })),
      };
    },

    /** @param {string | WantedFile} wanted */
    async getFile(wanted) {
      const path = pathOf(wanted);
      const response = await fetch(await signed("GET", path));
      if (!response.ok) throw await refusal(response);
      return new File([await response.blob()], path.split("/").pop() || path);
    },

    /**
     * @param {any} wanted a file, or `{path, overwrite}` with its content
     * @param {BodyInit} [content]
     */
    async putFile(wanted, content) {
      const path = pathOf(wanted) || wanted.name;
      const body = content === undefined ? wanted.content || wanted.file || wanted : content;
      /** @type {Record<string, string>} */
      const more = wanted.overwrite ? { overwrite: "1" } : {};
      const response = await client.fetch("PUT", `/api/v1/files?${query(path, more)}`, { body });
      if (!response.ok) throw await refusal(response);
      return true;
    },

    /** @param {WantedFile} wanted */
    async requestUploadUrl(wanted) {
      const folder = wanted.dir ? `${wanted.dir.replace(/\/+$/, "")}/` : "";
      return signed("PUT", folder + pathOf(wanted), wanted.expires);
    },

    /** @param {WantedFile} wanted */
    async getFileUrl(wanted) {
      return signed("GET", pathOf(wanted), wanted.expires);
    },

    /** @param {string | WantedFile} wanted */
    async removeFile(wanted) {
      await client.json("DELETE", `/api/v1/files?${query(pathOf(wanted))}`);
      return true;
    },

    async heartbeat() {
      try {
        return (await fetch(`${client.url}/healthz`, { cache: "no-store" })).ok;
      } catch {
        return false;
      }
    },
  };
}
