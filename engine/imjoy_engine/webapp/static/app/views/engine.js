// The engine's state in the header, and what is behind it: figures, and the way out.

import { core, disconnect, forgetToken } from "../core.js";
import { state } from "../state.js";

const SENTENCES = {
  starting: "Starting",
  disconnected: "Not connected",
  connecting: "Connecting",
  connected: "Connected",
  lost: "No answer",
};

export const EngineView = {
  setup: () => ({ state, host: location.host }),
  data: () => ({ open: false }),
  computed: {
    sentence: () => SENTENCES[state.engine.phase],
    status: () => state.engine.status,
    running: () => (state.engine.status?.plugins || []).filter((plugin) => plugin.pid).length,
    uptime() {
      const minutes = Math.floor((this.status?.uptime || 0) / 60);
      return minutes < 1 ? "less than a minute" : minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`;
    },
    memory() {
      return this.status?.memory ? `${Math.round(this.status.memory / 1048576)} MiB` : "";
    },
  },
  methods: {
    toggle() {
      this.open = !this.open;
      if (this.open) core.engine?.heartbeat();
    },
    async stopAll() {
      this.open = false;
      await core.engine?.resetEngine();
    },
    leave() {
      this.open = false;
      disconnect();
    },
    forget() {
      this.open = false;
      forgetToken();
    },
    blurred(event) {
      if (!this.$el.contains(event.relatedTarget)) this.open = false;
    },
  },
  template: `
    <div class="engine" @keydown.esc="open = false" @focusout="blurred">
      <button type="button" class="pill" :class="state.engine.phase" @click="toggle" :aria-expanded="open"
        :disabled="!status">
        <span class="dot" aria-hidden="true"></span>{{ sentence }}<span class="where"> · {{ host }}</span>
      </button>
      <div class="popover" v-if="open && status" tabindex="-1">
        <dl class="figures">
          <dt>Engine</dt><dd>{{ status.version }}</dd>
          <dt>Workspace</dt><dd class="path">{{ status.workspace }}</dd>
          <dt>Plugins</dt><dd>{{ running }} running</dd>
          <dt>Memory</dt><dd>{{ memory }}</dd>
          <dt>Up for</dt><dd>{{ uptime }}</dd>
        </dl>
        <div class="actions">
          <button type="button" @click="stopAll" :disabled="!running">Stop all plugins</button>
          <button type="button" @click="leave">Disconnect</button>
          <button type="button" @click="forget">Forget the token</button>
        </div>
      </div>
    </div>
  `,
};
