// The engine's state in the header, and what is behind it: figures, and the way out.

import { core, ownClient, disconnect, disconnectOther, forgetToken } from "../core/core.js";
import { readable } from "../model/errors.js";
import { home } from "../model/storage.js";
import { revoke } from "../core/permissions.js";
import { addEngine } from "../plugins/plugins.js";
import { ask, showSnackbar, state } from "../model/state.js";
import { leaves } from "./controls/elements.js";

const SENTENCES = {
  starting: "Starting",
  disconnected: "Not connected",
  connecting: "Connecting",
  connected: "Connected",
  lost: "No answer",
};

export const EngineView = Vue.defineComponent({
  setup: () => ({ state, host: location.host, own: home }),
  data: () => ({ open: false }),
  computed: {
    sentence: () => SENTENCES[state.engine.phase],
    status: () => state.engine.status,
    running: () => (state.engine.status?.plugins || []).filter((plugin) => plugin.pid).length,
    /** The nodes of a cluster that plugins run on, and how many on each. */
    nodes() {
      /** @type {Record<string, number>} */
      const counts = {};
      for (const { place } of this.status?.plugins || []) {
        if (place?.node) counts[place.node] = (counts[place.node] || 0) + 1;
      }
      return Object.entries(counts)
        .sort()
        .map(([node, count]) => `${node}: ${count}`);
    },
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
    /** @param {"doctor" | "engine-log" | "token" | "autostart" | "upgrade"} kind @param {string} title */
    show(kind, title) {
      this.open = false;
      ask(kind, { title });
    },
    stopEngine() {
      const text = `Its plugins are stopped too. To start it again, type: ${state.command} start --serve`;
      return this.end("Stop the engine", text, () => ownClient().stopEngine());
    },
    restartEngine() {
      const text = "Its plugins are stopped, and then started again.";
      return this.end("Restart the engine", text, () => ownClient().restartEngine());
    },
    /** @param {string} action @param {string} text @param {() => Promise<unknown>} begin */
    async end(action, text, begin) {
      this.open = false;
      if (!(await ask("confirm", { title: `${action}?`, text, action }))) return;
      try {
        await begin();
      } catch (error) {
        showSnackbar(readable(error, "The engine could not be asked.").what);
      }
    },
    async stopAll() {
      this.open = false;
      await core.engine?.resetEngine();
    },
    add() {
      this.open = false;
      addEngine();
    },
    disconnectOther,
    revoke,
    wordsOf: (/** @type {Grant} */ { kind }) => (kind === "files" ? "the engine's files" : "native plugins"),
    leave() {
      this.open = false;
      disconnect();
    },
    forget() {
      this.open = false;
      forgetToken();
    },
    /** @param {FocusEvent} event */
    blurred(event) {
      if (leaves(this.$el, event)) this.open = false;
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
          <template v-if="nodes.length"><dt>Nodes</dt><dd>{{ nodes.join(", ") }}</dd></template>
          <dt>Memory</dt><dd>{{ memory }}</dd>
          <dt>Up for</dt><dd>{{ uptime }}</dd>
        </dl>
        <fieldset v-if="state.others.length">
          <legend>Run plugins on</legend>
          <div class="choice">
            <input type="radio" id="engine-own" :value="own" v-model="state.preferred" />
            <label for="engine-own">this engine</label>
          </div>
          <div class="choice" v-for="(other, index) in state.others" :key="other.url">
            <input type="radio" :id="'engine-' + index" :value="other.url" v-model="state.preferred" />
            <label :for="'engine-' + index">{{ other.url }}<span v-if="other.phase === 'lost'"> (no answer)</span></label>
            <button type="button" class="plain" :aria-label="'Forget ' + other.url"
              @click="disconnectOther(other.url)">Forget</button>
          </div>
        </fieldset>
        <fieldset v-if="state.grants.length">
          <legend>What plugins are allowed</legend>
          <div class="choice" v-for="grant in state.grants" :key="grant.kind + grant.identity">
            <span>{{ grant.name }}: {{ wordsOf(grant) }}</span>
            <button type="button" class="plain" :aria-label="'Take back ' + wordsOf(grant) + ' from ' + grant.name"
              @click="revoke(grant)">Take back</button>
          </div>
        </fieldset>
        <div class="actions">
          <button type="button" @click="show('doctor', 'Doctor')">Doctor</button>
          <button type="button" @click="show('engine-log', 'Engine log')">Engine log</button>
          <button type="button" @click="show('token', 'Show the token')">Show the token</button>
          <button type="button" @click="show('autostart', 'Start at login')">Start at login</button>
          <button type="button" @click="show('upgrade', 'Upgrade')">Upgrade</button>
          <button type="button" @click="restartEngine">Restart the engine</button>
          <button type="button" @click="stopEngine">Stop the engine</button>
        </div>
        <div class="actions">
          <button type="button" @click="add">Add another engine</button>
          <button type="button" @click="stopAll" :disabled="!running">Stop all plugins</button>
          <button type="button" @click="leave">Disconnect</button>
          <button type="button" @click="forget">Forget the token</button>
        </div>
      </div>
    </div>
  `,
});
