// What apps of other sites use of it, as the global `ImJoyEngine`: `webapp/bundle.py` makes one script of these modules.

export { completeUrl, newClientId } from "./client.js";
export { makeEngine } from "./engine.js";
export { messageOf } from "./errors.js";
export { makeFileManager } from "./files.js";
