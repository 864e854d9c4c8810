// The page begins here.

import { appApi } from "./plugins/api.js";
import { followEngine, followPlugins, formerPlugins } from "./plugins/plugins.js";
import { connect, reconnectOthers, startCore, tellStarted } from "./core/core.js";
import { followDroppedFiles } from "./plugins/dropped_files.js";
import { followFiles } from "./plugins/editors.js";
import { readable } from "./model/errors.js";
import { followOutput } from "./results/page_state.js";
import { knownTokens } from "./model/storage.js";
import { followLayout } from "./layout/panes.js";
import { state } from "./model/state.js";
import { AppView } from "./views/app.js";
import { followWindows } from "./layout/windows.js";
import { followWorkspace } from "./layout/workspaces.js";

async function begin() {
  const known = knownTokens();
  followLayout();
  Vue.createApp(AppView).mount("#app");
  followDroppedFiles();
  followEngine();
  followPlugins();
  followWorkspace(formerPlugins);
  followOutput();
  followFiles();
  try {
    await startCore(appApi());
    followWindows();
    const tokens = await known;
    if (!tokens.length) state.engine.phase = "disconnected";
    for (const token of tokens) {
      if (await connect(token)) break;
    }
  } finally {
    tellStarted();
  }
  await reconnectOthers();
}

begin().catch((error) => {
  state.engine = { phase: "disconnected", status: null, error: readable(error, "The page could not start.") };
});
