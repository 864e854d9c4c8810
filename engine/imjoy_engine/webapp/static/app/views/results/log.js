// Every line that plugins and the engine wrote, when, and a way to find one.

import { clearLog, state } from "../../model/state.js";
import { elementOf } from "../controls/elements.js";

/** What may be shown alone, by its name: the streams that belong to it. @type {Record<string, string[]>} */
const KINDS = {
  everything: ["stdout", "stderr", "app", "engine"],
  "what plugins say": ["stdout", "app"],
  errors: ["stderr"],
  "what the engine says": ["engine"],
};
const CLOCK = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

export const LogView = Vue.defineComponent({
  setup: () => ({ state }),
  data: () => ({ plugin: "", kind: "everything", words: "", follows: true }),
  computed: {
    names: () => [...new Set(state.log.map((line) => line.plugin))].filter(Boolean),
    kinds: () => Object.keys(KINDS),
    lines() {
      const words = this.words.toLowerCase();
      const streams = KINDS[this.kind];
      return state.log.filter(
        ({ plugin, stream, text }) =>
          (!this.plugin || plugin === this.plugin) && streams.includes(stream) && text.toLowerCase().includes(words),
      );
    },
  },
  methods: {
    /** @param {Event} event */
    scrolled({ target }) {
      if (target instanceof Element) this.follows = target.scrollHeight - target.scrollTop - target.clientHeight < 40;
    },
    toEnd() {
      const lines = elementOf(this.$refs, "lines", HTMLElement);
      if (this.follows && lines) lines.scrollTop = lines.scrollHeight;
    },
    /** Lines of a page that was open before it was brought up to date have no time. */
    clock: (/** @type {LogLine} */ { time }) => (time ? CLOCK.format(time) : ""),
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
        <p>What plugins print, their errors, and what the engine says about them appear here.</p>
      </div>
      <template v-else>
        <div class="toolbar">
          <label class="hidden" for="log-kind">What is shown</label>
          <select id="log-kind" v-model="kind"><option v-for="name in kinds" :key="name">{{ name }}</option></select>
          <label for="log-plugin">of</label>
          <select id="log-plugin" v-model="plugin">
            <option value="">all plugins</option>
            <option v-for="name in names" :key="name">{{ name }}</option>
          </select>
          <label class="hidden" for="log-words">Find in the log</label>
          <input id="log-words" type="search" v-model="words" placeholder="Find" autocomplete="off" />
          <button type="button" class="plain" @click="clearLog">Clear</button>
        </div>
        <div class="lines" ref="lines" tabindex="0" role="log" aria-label="Log" @scroll.passive="scrolled">
          <div v-for="line in lines" :key="line.id" :class="line.stream"><time class="when">{{ clock(line) }}</time><span class="who" v-if="!plugin">{{ line.plugin }}</span><span class="message">{{ line.text }}</span></div>
          <p class="quiet" v-if="!lines.length">No line matches.</p>
        </div>
      </template>
    </section>
  `,
});
