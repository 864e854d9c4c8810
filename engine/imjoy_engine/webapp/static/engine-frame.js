// Runs the engine plugin in a frame that the engine itself serves, for an app of another site.
//
// Browsers let a page of the web reach this machine only after they have asked the person, and do not ask for what a frame
// of a third site wants. Loading this frame makes them ask; what it then wants is of its own site.
//
// The frame has the engine's origin, so no code of the app runs in it: execution is off, and the page's policy has none.
/* global ImJoyEnginePlugin */
"use strict";

globalThis.engineUrl = new URL(".", location.href).href.replace(/\/$/, "");
imjoyRPC
  .setupRPC({
    name: "ImJoy-Engine",
    type: "iframe",
    description: "Connects to an ImJoy Plugin Engine, which runs native Python plugins.",
    allow_execution: false,
    enable_service_worker: false,
    expose_api_globally: true,
    // The app alone is heard, not other frames of it. Firefox does not say who that is; the policy has let it in.
    target_origin: (location.ancestorOrigins && location.ancestorOrigins[0]) || "*",
  })
  .then((/** @type {OtherApp} */ api) => api.export(new ImJoyEnginePlugin()));
