// Every line that plugins and the engine wrote.

import { clearLog, state } from "../state.js";

export const LogView = {
  setup: () => ({ state }),
  data: () => ({ plugin: "", follows: true }),
  computed: {
    names: () => [...new Set(state.log.map((line) => line.plugin))].filter(Boolean),
    lines() {
      return this.plugin ? state.log.filter((line) => line.plugin === this.plugin) : state.log;
    },
  },
  methods: {
    scrolled({ target }) {
      this.follows = target.scrollHeight - target.scrollTop - target.clientHeight < 40;
    },
    toEnd() {
      if (this.follows && this.$refs.lines) this.$refs.lines.scrollTop = this.$refs.lines.scrollHeight;
    },
    clearLog,
  },
  mounted() {
    this.toEnd();
  },
  updated() {
    this.toEnd();
  },
  template: `
    <section class="log pane" role="tabpanel" aria-labelledby="tab-log">
      <div class="empty" v-if="!state.log.length">
        <p class="big">The log is empty</p>
        <p>What plugins print, their errors, and what the engine says about them appears here.</p>
      </div>
      <template v-else>
        <div class="toolbar">
          <label for="log-plugin">Show</label>
          <select id="log-plugin" v-model="plugin">
            <option value="">all plugins</option>
            <option v-for="name in names" :key="name">{{ name }}</option>
          </select>
          <button type="button" class="plain" @click="clearLog">Clear</button>
        </div>
        <div class="lines" ref="lines" tabindex="0" role="log" aria-label="Log" @scroll.passive="scrolled">
          <div v-for="line in lines" :key="line.id" :class="line.stream"><span class="who" v-if="!plugin">{{ line.plugin }}</span><span class="said">{{ line.text }}</span></div>
        </div>
      </template>
    </section>
  `,
};
