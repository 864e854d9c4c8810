// Before there is a connection: paste the token.

import { connect } from "../core/core.js";
import { state } from "../model/state.js";
import { ProblemView } from "./controls/problem.js";

export const ConnectView = Vue.defineComponent({
  components: { ProblemView },
  setup: () => ({ state, host: location.host }),
  data: () => ({ token: "", shown: false, copied: false }),
  computed: {
    canCopy: () => Boolean(navigator.clipboard),
    isBusy: () => ["starting", "connecting"].includes(state.engine.phase),
  },
  methods: {
    async copy() {
      await navigator.clipboard.writeText(`${state.command} token`);
      this.copied = true;
    },
    submit() {
      if (this.token.trim()) connect(this.token.trim());
    },
  },
  template: `
    <main id="main" class="connect" tabindex="-1">
      <div class="sheet" v-if="isBusy" aria-busy="true"><p class="quiet">Connecting to the engine…</p></div>
      <form class="sheet" v-else @submit.prevent="submit">
        <h2>Connect to the engine</h2>
        <p>This page talks to the ImJoy Plugin Engine at <code>{{ host }}</code>. Everybody who has its
          connection token can use it.</p>
        <ProblemView v-if="state.engine.error" :error="state.engine.error" />
        <label for="token">Connection token</label>
        <div class="row">
          <input id="token" v-model="token" :type="shown ? 'text' : 'password'" autocomplete="off" spellcheck="false"
            autofocus required />
          <button type="button" @click="shown = !shown" :aria-pressed="shown">{{ shown ? "Hide" : "Show" }}</button>
        </div>
        <p class="quiet">In a terminal, <code>{{ state.command }} token</code>
          <button v-if="canCopy" type="button" class="plain" :aria-label="'Copy ' + state.command + ' token'"
            @click="copy">{{ copied ? "Copied" : "Copy" }}</button> prints it. This browser will remember it.</p>
        <button class="primary" type="submit">Connect</button>
      </form>
    </main>
  `,
});
