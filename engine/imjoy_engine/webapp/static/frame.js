// The inside of a frame that a web plugin (window, iframe, web-worker) runs in.
"use strict";

// The engine serves this page with an origin of its own, but `location.origin`, which imjoy-rpc tells the app to send
// its answers to, does not know that: such answers would never arrive.
const app = window.parent;
Object.assign(window, {
  parent: {
    /** @param {any} message @param {unknown} target @param {Transferable[]} [transfer] */
    postMessage(message, target, transfer) {
      if (message && message.type === "initialized") message.origin = "*";
      app.postMessage(message, "*", transfer);
    },
  },
});

imjoyRPC.waitForInitialization({ target_origin: "*", enable_service_worker: false });

// What a plugin does not take, the browser would open in the page's place.
window.addEventListener("dragover", (event) => {
  if (event.defaultPrevented) return;
  event.preventDefault();
  if (event.dataTransfer) event.dataTransfer.dropEffect = "none";
});
window.addEventListener("drop", (event) => event.preventDefault());
