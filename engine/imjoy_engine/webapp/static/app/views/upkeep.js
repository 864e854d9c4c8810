// What the engine's menu opens: what the doctor finds, the engine's log, the connection token.

import { core, ownLink } from "../core.js";
import { asTyped } from "../commands.js";
import { readable } from "../errors.js";
import { state } from "../state.js";
import { elementOf } from "./elements.js";
import { ProblemView, SentenceView } from "./problem.js";

/** @typedef {{id: string, status: string, what: string, why: string, command: string, advice: string}} Check */
/** @typedef {{checks: Check[]}} Found what the doctor says */

/** From what a person has to do something about to what is well. */
const RANKS = ["crashed", "fail", "warn", "ok", "skipped"];
const WORDS = { crashed: "Not looked at", fail: "Wrong", warn: "Warning", ok: "Well", skipped: "Skipped" };

export const DoctorView = Vue.defineComponent({
  components: { ProblemView, SentenceView },
  emits: ["dismiss"],
  /** @returns {{found: Found | null, error: Problem | null, showsAll: boolean, WORDS: typeof WORDS}} */
  data: () => ({ found: null, error: null, showsAll: false, WORDS }),
  computed: {
    checks() {
      const ranked = [...(this.found?.checks || [])].sort((a, b) => RANKS.indexOf(a.status) - RANKS.indexOf(b.status));
      return this.showsAll ? ranked : ranked.filter(({ status }) => this.isFinding(status));
    },
    sentence() {
      const checks = this.found?.checks || [];
      const findings = checks.filter(({ status }) => this.isFinding(status)).length;
      return `${checks.length} checks, ${findings === 1 ? "1 finding" : `${findings} findings`}.`;
    },
  },
  methods: {
    isFinding: (/** @type {string} */ status) => ["crashed", "fail", "warn"].includes(status),
    typed: (/** @type {string} */ command) => asTyped(command, state.command),
    async look() {
      Object.assign(this, { found: null, error: null });
      try {
        this.found = Vue.markRaw(await ownLink().examine(!navigator.onLine));
      } catch (error) {
        this.error = readable(error, "The doctor did not answer.");
      }
    },
  },
  mounted() {
    this.look();
  },
  template: `
    <div class="upkeep">
      <h2>Doctor</h2>
      <ProblemView v-if="error" :error="error" />
      <p v-else-if="!found" class="quiet" role="status">Looking at this machine, the network and the engine…</p>
      <template v-else>
        <p role="status">{{ sentence }}</p>
        <ul class="checks" tabindex="0" aria-label="Checks">
          <li v-for="check in checks" :key="check.id" :class="check.status">
            <p><span class="tag">{{ WORDS[check.status] }}</span> <strong><SentenceView :text="check.what" /></strong></p>
            <p class="quiet" v-if="check.why"><SentenceView :text="check.why" /></p>
            <pre v-if="check.command">{{ typed(check.command) }}</pre>
            <p class="quiet" v-if="check.advice"><SentenceView :text="check.advice" /></p>
            <p class="id">{{ check.id }}</p>
          </li>
        </ul>
      </template>
      <div class="actions">
        <button type="button" v-if="found" :aria-pressed="showsAll" @click="showsAll = !showsAll">Show every check</button>
        <button type="button" @click="look" :disabled="!found && !error">Look again</button>
        <button type="button" class="primary" autofocus @click="$emit('dismiss')">Close</button>
      </div>
    </div>
  `,
});

const DAY_AND_TIME = new Intl.DateTimeFormat([], { dateStyle: "short", timeStyle: "medium" });

export const EngineLogView = Vue.defineComponent({
  components: { ProblemView },
  emits: ["dismiss"],
  /** @returns {{records: LogRecord[] | null, error: Problem | null}} */
  data: () => ({ records: null, error: null }),
  methods: {
    when: (/** @type {LogRecord} */ { time }) => DAY_AND_TIME.format(time * 1000),
    async read() {
      this.error = null;
      try {
        this.records = Vue.markRaw((await ownLink().log()).records);
        await this.$nextTick();
        const lines = elementOf(this.$refs, "lines", HTMLElement);
        lines?.scrollTo(0, lines.scrollHeight);
      } catch (error) {
        this.error = readable(error, "The log cannot be read.");
      }
    },
  },
  mounted() {
    this.read();
  },
  template: `
    <div class="upkeep">
      <h2>The engine's log</h2>
      <ProblemView v-if="error" :error="error" />
      <div class="records" ref="lines" v-else-if="records" tabindex="0" role="log" aria-label="The engine's log">
        <div v-for="(record, index) in records" :key="index" :class="record.level">
          <time class="when">{{ when(record) }}</time> <span class="tag">{{ record.level }}</span>
          <span class="said">{{ record.text }}</span><pre v-if="record.traceback">{{ record.traceback }}</pre>
        </div>
        <p class="quiet" v-if="!records.length">It is empty.</p>
      </div>
      <div class="actions">
        <button type="button" @click="read">Read again</button>
        <button type="button" class="primary" autofocus @click="$emit('dismiss')">Close</button>
      </div>
    </div>
  `,
});

export const TokenView = Vue.defineComponent({
  emits: ["dismiss"],
  setup: () => ({ state, token: core.link?.token || "" }),
  data: () => ({ copied: false }),
  methods: {
    async copy() {
      elementOf(this.$refs, "token", HTMLInputElement)?.select();
      // Pages on plain http from another machine have no clipboard.
      await navigator.clipboard?.writeText(this.token);
      this.copied = Boolean(navigator.clipboard);
    },
  },
  template: `
    <div class="upkeep">
      <h2>The connection token</h2>
      <label for="engine-token">Whoever has it can run programs as you</label>
      <input id="engine-token" ref="token" type="text" readonly :value="token" @focus="$event.target.select()" />
      <p class="quiet">Another browser asks for it. <code>{{ state.command }} token --rotate</code> makes a new one, and ends
        what uses this one.</p>
      <p role="status">{{ copied ? "Copied." : "" }}</p>
      <div class="actions">
        <button type="button" @click="copy">Copy</button>
        <button type="button" class="primary" autofocus @click="$emit('dismiss')">Close</button>
      </div>
    </div>
  `,
});
