// The page as a whole: header, the plugins on the left, what they say and show on the right.

import { arranged, paneShowing } from "../layout/panes.js";
import { state } from "../model/state.js";
import { rectangleStyle } from "./panes/rectangles.js";
import { ConnectView } from "./connect.js";
import { DialogsView } from "./dialogs.js";
import { EngineView } from "./engine.js";
import { LogView } from "./results/log.js";
import { OutputView } from "./results/output.js";
import { PluginsView } from "./plugins/plugins.js";
import { SplittersView } from "./panes/splitters.js";
import { TabsView } from "./panes/tabs.js";
import { WindowsView } from "./panes/windows.js";
import { WorkspacesView } from "./workspaces.js";

export const AppView = Vue.defineComponent({
  components: {
    ConnectView,
    DialogsView,
    EngineView,
    LogView,
    OutputView,
    PluginsView,
    SplittersView,
    TabsView,
    WindowsView,
    WorkspacesView,
  },
  setup: () => ({ state, arranged, paneShowing }),
  computed: {
    isConnected: () => ["connected", "lost"].includes(state.engine.phase),
  },
  methods: {
    /** @param {string} name of a view */
    styleOf(name) {
      const placed = paneShowing(name);
      return placed ? rectangleStyle(placed, 2 * placed.index + 1) : {};
    },
  },
  template: `
    <a class="skip" href="#main">Skip to the content</a>
    <header class="bar">
      <img src="static/logo.svg" alt="" width="28" height="28" />
      <h1>ImJoy</h1>
      <WorkspacesView v-if="isConnected" />
      <EngineView />
    </header>
    <p class="banner" role="alert" v-if="state.engine.phase === 'lost'">
      <strong>The engine does not answer.</strong> Trying again; to start it, type <code>{{ state.command }} start --serve</code>.
    </p>
    <ConnectView v-if="!isConnected" />
    <div class="columns" :class="{ maximised: state.maximised }" v-show="isConnected">
      <PluginsView />
      <main id="main" tabindex="-1" class="panes" :class="{ arranging: state.dragged }" @keydown.esc="state.maximised = null">
        <TabsView v-for="(placed, number) in arranged.panes" :key="number" :placed="placed" :number="number" />
        <OutputView class="view" v-show="paneShowing('output')" :style="styleOf('output')" />
        <LogView class="view" v-if="paneShowing('log')" :style="styleOf('log')" />
        <WindowsView />
        <SplittersView />
      </main>
    </div>
    <div class="snackbar" role="status" aria-live="polite"><p v-if="state.snackbar">{{ state.snackbar }}</p></div>
    <DialogsView />
    <div class="dropping" v-if="state.dropping" aria-hidden="true"><p>Drop it to load it</p></div>
  `,
});
