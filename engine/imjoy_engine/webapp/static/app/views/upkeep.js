// What the engine's menu opens: what the doctor finds, the log, the token, the start at login, an upgrade.

import { core, ownClient } from "../core/core.js";
import { asTyped } from "../model/commands.js";
import { readable } from "../model/errors.js";
import { state } from "../model/state.js";
import { elementOf } from "./controls/elements.js";
import { ProblemView, SentenceView } from "./controls/problem.js";

/** @typedef {{id: string, status: string, what: string, why: string, command: string, advice: string}} Check */
/** @typedef {{checks: Check[]}} Found what the doctor says */

/** From what a person has to do something about to what is well. */
const RANKS = ["crashed", "fail", "warn", "ok", "skipped"];
const WORDS = { crashed: "Not checked", fail: "Problem", warn: "Warning", ok: "OK", skipped: "Skipped" };

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
        this.found = Vue.markRaw(await ownClient().examine(!navigator.onLine));
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
      <p v-else-if="!found" class="quiet" role="status">Checking this machine, the network and the engine…</p>
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
        <button type="button" v-if="found" :aria-pressed="showsAll" @click="showsAll = !showsAll">Show all checks</button>
        <button type="button" @click="look" :disabled="!found && !error">Check again</button>
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
        this.records = Vue.markRaw((await ownClient().log()).records);
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
          <span class="message">{{ record.text }}</span><pre v-if="record.traceback">{{ record.traceback }}</pre>
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
  setup: () => ({ state, token: core.client?.token || "" }),
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
      <p class="quiet">Another browser asks for it. <code>{{ state.command }} token --rotate</code> makes a new one, and disconnects
        everything that uses this one.</p>
      <p role="status">{{ copied ? "Copied." : "" }}</p>
      <div class="actions">
        <button type="button" @click="copy">Copy</button>
        <button type="button" class="primary" autofocus @click="$emit('dismiss')">Close</button>
      </div>
    </div>
  `,
});

export const AutostartView = Vue.defineComponent({
  components: { ProblemView },
  emits: ["dismiss"],
  /** @returns {{on: boolean | null, error: Problem | null}} */
  data: () => ({ on: null, error: null }),
  methods: {
    /** @param {() => Promise<{autostart: boolean}>} question */
    async ask(question) {
      const before = this.on;
      Object.assign(this, { on: null, error: null });
      try {
        this.on = (await question()).autostart;
      } catch (error) {
        this.on = before;
        this.error = readable(error, "The start at login could not be changed.");
      }
    },
    /** @param {Event} event */
    change(event) {
      const { checked } = /** @type {HTMLInputElement} */ (event.target);
      return this.ask(() => ownClient().setAutostart(checked));
    },
  },
  mounted() {
    this.ask(() => ownClient().autostart());
  },
  template: `
    <div class="upkeep">
      <h2>Start at login</h2>
      <ProblemView v-if="error" :error="error" />
      <p v-if="on === null && !error" class="quiet" role="status">Asking the engine's machine…</p>
      <div class="choice" v-if="on !== null">
        <input type="checkbox" id="autostart" :checked="on" @change="change" />
        <label for="autostart">Start the engine whenever I log in to its machine</label>
      </div>
      <p class="quiet">It starts in the background. <code>imjoy uninstall</code> removes this too.</p>
      <div class="actions">
        <button type="button" class="primary" autofocus @click="$emit('dismiss')">Close</button>
      </div>
    </div>
  `,
});

const LOOK_MILLISECONDS = 2000;
/** An engine that restarts is away for less. */
const AWAY_MILLISECONDS = 120_000;
const AWAY = {
  id: "upgrade.no-engine",
  what: "The engine stopped for the upgrade, and has not come back.",
  why: "This page still waits for it. If it does not come back, start it on its machine: that also repairs an upgrade that was interrupted.",
  fix: "imjoy start --serve",
};
/** As much of a commit's hash as a person reads. */
const SHORT = 12;

/** @typedef {Awaited<ReturnType<import("../../engine/client.js").EngineClient["findUpgrade"]>>} Available */
/** @typedef {"looking" | "found" | "working" | "done" | "failed" | "left"} Phase */

export const UpgradeView = Vue.defineComponent({
  components: { ProblemView, SentenceView },
  emits: ["dismiss"],
  /** @returns {{phase: Phase, found: Available | null, error: Problem | null, timer: ReturnType<typeof setTimeout> | undefined, heard: number}} */
  data: () => ({ phase: "looking", found: null, error: null, timer: undefined, heard: 0 }),
  computed: {
    /** What it is known by, behind what kind of name that is; what is not told is known once it was fetched. */
    newer() {
      return this.found?.available ? this.found.new_id.split(":").slice(-1)[0].slice(0, SHORT) : "maybe a newer one";
    },
    /** Elsewhere another tool does it, by the command that is shown. */
    isOurs() {
      return Boolean(this.found?.command.startsWith("imjoy upgrade"));
    },
  },
  methods: {
    async look() {
      try {
        this.found = Vue.markRaw(await ownClient().findUpgrade());
        this.phase = "found";
      } catch (error) {
        this.fail(error);
      }
    },
    async begin() {
      this.phase = "working";
      this.heard = Date.now();
      try {
        await ownClient().beginUpgrade();
        this.follow();
      } catch (error) {
        this.fail(error);
      }
    },
    /** The engine goes in the middle of it, and the new one answers. */
    follow() {
      this.timer = setTimeout(async () => {
        // While it restarts there is no answer.
        const answer = await core.client?.upgradeOutcome().catch(() => null);
        if (this.phase !== "working") return;
        if (answer) this.heard = Date.now();
        this.error = Date.now() - this.heard > AWAY_MILLISECONDS ? readable(AWAY, "") : null;
        const outcome = answer?.outcome;
        if (outcome?.error) this.fail(outcome.error);
        else if (outcome) this.phase = "done";
        else this.follow();
      }, LOOK_MILLISECONDS);
    },
    /** @param {unknown} error */
    fail(error) {
      this.phase = "failed";
      this.error = readable(error, "imjoy could not be upgraded.");
    },
    reload: () => location.reload(),
  },
  mounted() {
    this.look();
  },
  beforeUnmount() {
    this.phase = "left";
    clearTimeout(this.timer);
  },
  template: `
    <div class="upkeep">
      <h2>Upgrade</h2>
      <ProblemView v-if="error" :error="error" />
      <p v-if="phase === 'looking'" class="quiet" role="status">Looking for a newer imjoy…</p>
      <template v-if="phase === 'found'">
        <p role="status" v-if="found.available === false">imjoy {{ found.version }} is the newest.</p>
        <template v-else>
          <p role="status">imjoy {{ found.version }} is installed, and {{ newer }} is available
            <span class="quiet">({{ found.source }})</span></p>
          <p v-if="isOurs">The newer one is installed and tested beside the old one, and then replaces it. If anything goes
            wrong, the old one stays. The engine and its plugins restart.</p>
          <p v-else>This imjoy is managed by another tool. Type: <SentenceView :text="'\x60' + found.command + '\x60'" /></p>
        </template>
      </template>
      <p v-if="phase === 'working' && !error" role="status">The newer imjoy is being installed and tested. This takes some minutes; then the
        engine restarts, and this page connects again.</p>
      <p v-if="phase === 'done'" role="status">The newer imjoy is running. Load this page again to get its newer page too.</p>
      <div class="actions">
        <button type="button" v-if="phase === 'found' && found.available !== false && isOurs" @click="begin">Upgrade and restart</button>
        <button type="button" v-if="phase === 'done'" @click="reload">Load the page again</button>
        <button type="button" class="primary" autofocus @click="$emit('dismiss')">Close</button>
      </div>
    </div>
  `,
});
