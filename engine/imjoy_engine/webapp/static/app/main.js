// The page begins here.

import { followEngine, restorePlugins } from "./plugins.js";
import { connect, reconnectOthers, startCore } from "./core.js";
import { readable } from "./errors.js";
import { knownToken } from "./memory.js";
import { state } from "./state.js";
import { AppView } from "./views/app.js";
import { followWindows } from "./windows.js";

async function begin() {
  const known = knownToken();
  Vue.createApp(AppView).mount("#app");
  followEngine();
  await startCore();
  followWindows();
  await restorePlugins();
  const token = await known;
  if (token) await connect(token);
  else state.engine.phase = "disconnected";
  await reconnectOthers();
}

begin().catch((error) => {
  state.engine = { phase: "disconnected", status: null, error: readable(error, "The page could not start.") };
});
