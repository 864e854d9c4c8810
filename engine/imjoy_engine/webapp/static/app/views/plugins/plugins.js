// The plugins: load one, and a card for each.

import { addFiles } from "../../plugins/dropped_files.js";
import { editPlugin, newPlugin, openFromWorkspace, toggleWatch } from "../../plugins/editors.js";
import { FIRST, loadExample, openGallery } from "../../plugins/gallery.js";
import { home, NEWEST } from "../../model/storage.js";
import { jobText } from "../../plugins/cluster_job.js";
import {
  addPluginFromUrl,
  chooseEnvironment,
  chooseResources,
  load,
  loadAnyway,
  remove,
  run,
  stop,
} from "../../plugins/plugins.js";
import { staysOnEngine, requestedResources, resourcesText } from "../../plugins/resources.js";
import { matching } from "../../plugins/search.js";
import { ask, state } from "../../model/state.js";
import { elementOf, emptyField, filesIn } from "../controls/elements.js";
import { MenuView } from "../controls/menu.js";
import { ProblemView } from "../controls/problem.js";

/** @typedef {{word: string, act: () => unknown, isChecked?: boolean}} Entry of the menu */
/** @typedef {{word: string, act: (card: Card) => unknown, disabled?: boolean}} Main what the first button does */

/** @type {Record<string, string>} */
const STATES = {
  waiting: "Waiting for the engine",
  loading: "Loading",
  queued: "Queued",
  preparing: "Preparing its environment",
  starting: "Starting",
  ready: "Ready",
  stopping: "Stopping",
  stopped: "Stopped",
  exited: "Ended",
  failed: "Failed",
  lost: "Lost with the engine",
};
const PLACE_MILLISECONDS = 10_000;
const BUSY = ["loading", "queued", "preparing", "starting", "stopping"];

/** From so many on there is a search over the cards. */
const MANY = 8;

const CardView = Vue.defineComponent({
  components: { MenuView, ProblemView },
  props: { card: { type: /** @type {PropType<Card>} */ (Object), required: true } },
  emits: ["remove"],
  data: () => ({ now: Date.now(), clock: 0, NEWEST }),
  mounted() {
    this.clock = setInterval(() => (this.now = Date.now()), PLACE_MILLISECONDS);
  },
  unmounted() {
    clearInterval(this.clock);
  },
  computed: {
    /** Where it runs, or what it waits for, where that is a cluster. */
    place() {
      return this.canStop ? jobText(this.card.place, this.card.since, this.now) : "";
    },
    /** What has ended runs nothing, whatever was asked of it. */
    isRunning() {
      const { plugin, runs, running, held } = this.card;
      // One that is found again in the middle of a run may hand over its functions only after that.
      return plugin ? runs > 0 || running : held.length > 0;
    },
    label() {
      if (this.card.state === "starting" && this.card.place && !this.card.place.node) return "Waiting";
      if (this.isRunning) return "Running";
      if (this.card.state === "ready" && !this.card.plugin) return "Setting up";
      return STATES[this.card.state] || this.card.state;
    },
    tone() {
      if (this.isRunning || BUSY.includes(this.card.state)) return "busy";
      return this.card.state;
    },
    fraction() {
      return this.card.progress?.fraction ?? (this.card.percent === null ? null : this.card.percent / 100);
    },
    showsBar() {
      return this.tone === "busy";
    },
    /** What the menu offers, once a person has environments that plugins may use. */
    environments() {
      const names = this.card.isNative ? state.engine.status?.existing_environments || [] : [];
      const { environment } = this.card;
      const kept = environment && environment !== NEWEST && !names.includes(environment) ? [environment] : [];
      return [...names, ...kept];
    },
    /** The cluster that it runs on, once it is started. */
    cluster() {
      const { isNative, template, tag } = this.card;
      if (!isNative || state.preferred !== home || staysOnEngine(template, tag)) return null;
      return state.engine.status?.cluster || null;
    },
    resources() {
      const { cluster } = this;
      if (!cluster) return "";
      const own = requestedResources(this.card.template, this.card.tag, cluster);
      return resourcesText({ ...own, ...this.card.resources }, cluster);
    },
    /** It gets the packages of its time, unless a person says otherwise. */
    isOld() {
      return this.card.isNative && /^0\.1\.[0-7]$/.test(this.card.template.api_version || "");
    },
    environment: {
      get() {
        return JSON.stringify(this.card.environment);
      },
      set(/** @type {string} */ value) {
        chooseEnvironment(this.card, JSON.parse(value));
      },
    },
    canStop() {
      return Boolean(this.card.plugin) || this.card.state === "ready" || BUSY.includes(this.card.state);
    },
    /** What a person most likely wants of it now. @returns {Main | null} */
    main() {
      if (this.tone === "busy") return { word: "Stop", act: stop };
      if (this.card.plugin && this.card.canRun) return { word: "Run", act: (card) => run(card, null) };
      if (!this.canStop) return { word: "Start", act: load, disabled: this.card.state === "waiting" };
      return null;
    },
    menu() {
      const { card } = this;
      /** @type {Entry[]} */
      const items = [{ word: "About", act: () => ask("about", { title: `About ${card.name}`, card }) }];
      items.push({ word: "Edit", act: () => editPlugin(card) });
      if (card.plugin) items.push({ word: "Reload", act: () => load(card) });
      if (this.canStop && this.main?.word !== "Stop") items.push({ word: "Stop", act: () => stop(card) });
      if (card.file) {
        items.push({
          word: "Reload when its file changes",
          act: () => toggleWatch(card),
          isChecked: card.file.isWatched,
        });
      }
      items.push({ word: "Remove", act: () => this.$emit("remove") });
      return items.map((item) => ({ ...item, label: `${item.word} ${card.name}` }));
    },
  },
  methods: {
    chooseResources,
    loadAnyway,
    run,
    asValue: JSON.stringify,
    /** The second press of a double click is not meant for Stop, which has taken the place of Run meanwhile. */
    press(/** @type {MouseEvent} */ event) {
      if (event.detail < 2) this.main?.act(this.card);
    },
  },
  template: `
    <article class="card" :aria-label="card.name">
      <header>
        <h3>{{ card.name }}</h3>
        <span class="version">{{ card.version }}</span>
        <span class="tag" v-if="card.tag">{{ card.tag }}</span>
        <span class="chip" :class="tone"><span class="dot" aria-hidden="true"></span>{{ label }}</span>
      </header>
      <p class="description" v-if="card.description">{{ card.description }}</p>
      <div class="meter" v-if="showsBar" role="progressbar" :aria-label="card.name + ': ' + label"
        :aria-valuenow="fraction === null ? undefined : Math.round(fraction * 100)" aria-valuemin="0" aria-valuemax="100"
        :class="{ unknown: fraction === null }">
        <div :style="fraction === null ? {} : { width: 100 * fraction + '%' }"></div>
      </div>
      <p class="quiet step place" v-if="place">{{ place }}</p>
      <p class="quiet step" v-if="card.progress">{{ card.progress.text }}</p>
      <p class="quiet status" role="status">{{ card.status }}</p>
      <ProblemView v-if="card.error" :error="card.error" closable @close="card.error = null" />
      <p class="environment" v-if="environments.length || isOld">
        <label :for="'environment-' + card.name">Runs in</label>
        <select :id="'environment-' + card.name" v-model="environment">
          <option value="null">what it asks for</option>
          <option v-if="environments.length" value='""'>an environment of its own</option>
          <option v-if="isOld" :value="asValue(NEWEST)">the newest packages</option>
          <option v-for="name in environments" :key="name" :value="asValue(name)">{{ name }} (yours)</option>
        </select>
        <button v-if="card.error && card.error.id === 'env.lacks'" type="button" @click="loadAnyway(card)"
          :aria-label="'Start ' + card.name + ' anyway'">Start anyway</button>
      </p>
      <p class="environment" v-if="cluster">
        <span>{{ resources }}</span>
        <button type="button" @click="chooseResources(card, cluster)"
          :aria-label="'Change what ' + card.name + ' asks for'">Change</button>
      </p>
      <div class="actions">
        <button v-if="main" type="button" :class="{ primary: main.word !== 'Stop' }" :disabled="main.disabled"
          :aria-label="main.word + ' ' + card.name" @click="press" @keydown.enter="$event.repeat && $event.preventDefault()">
          {{ main.word }}</button>
        <button v-for="op in card.ops" :key="op.name" type="button" @click="run(card, op)">{{ op.name }}</button>
        <MenuView :label="'More for ' + card.name" :items="menu" />
      </div>
    </article>
  `,
});

export const PluginsView = Vue.defineComponent({
  components: { CardView, ProblemView },
  setup: () => ({ state, FIRST }),
  data: () => ({ url: "", asksUrl: false, wanted: "" }),
  computed: {
    searches: () => state.plugins.length >= MANY,
    shown() {
      const textOf = (/** @type {Card} */ { name, description, type, tag }) => [name, description, type, tag].join(" ");
      return this.searches ? matching(this.wanted, state.plugins, textOf) : state.plugins;
    },
  },
  watch: {
    /** What a person has just loaded is not hidden from them. */
    "state.plugins.length"(now, before) {
      if (now > before || !this.searches) this.wanted = "";
    },
  },
  methods: {
    loadExample,
    newPlugin,
    openFromWorkspace,
    openGallery,
    /** @param {Card} card */
    async removeCard(card) {
      await remove(card);
      await this.$nextTick();
      elementOf(this.$refs, "title", HTMLElement)?.focus();
    },
    /** @param {Event} event */
    picked(event) {
      addFiles(filesIn(event)).finally(() => emptyField(event));
    },
    async submitUrl() {
      await addPluginFromUrl(this.url.trim());
      if (!state.loadError) Object.assign(this, { url: "", asksUrl: false });
    },
    async askUrl() {
      this.asksUrl = !this.asksUrl;
      await this.$nextTick();
      elementOf(this.$refs, "url", HTMLElement)?.focus();
    },
  },
  template: `
    <section class="plugins" aria-labelledby="plugins-title">
      <div class="heading">
        <h2 id="plugins-title" ref="title" tabindex="-1">Plugins</h2>
        <button type="button" @click="askUrl" :aria-expanded="asksUrl">From url</button>
        <button type="button" class="primary" @click="$refs.file.click()">Load file</button>
        <input ref="file" type="file" accept=".html" multiple hidden data-testid="plugin-file" @change="picked" />
      </div>
      <form class="row" v-if="asksUrl" @submit.prevent="submitUrl">
        <label class="hidden" for="plugin-url">Url of a plugin file</label>
        <input id="plugin-url" ref="url" v-model="url" type="url" required placeholder="https://…/Plugin.imjoy.html" />
        <button type="submit" :disabled="state.loading">Load</button>
      </form>
      <p class="quiet" role="status" v-if="state.taking">
        Loading {{ state.taking.number }} of {{ state.taking.count }}: {{ state.taking.name }}</p>
      <ProblemView v-if="state.loadError" :error="state.loadError" closable @close="state.loadError = null" />
      <div class="empty" v-if="!state.plugins.length">
        <p class="big">Drop a plugin here</p>
        <p>A plugin is one file, <code>NAME.imjoy.html</code>. Load it from this computer or from a url; native Python
          plugins run in a process and an environment of their own.</p>
        <p class="row"><button type="button" class="primary" @click="loadExample(FIRST + '.imjoy.html')"
          :disabled="state.loading">Try {{ FIRST }}</button>
          <button type="button" @click="openGallery">Gallery</button>
          <button type="button" @click="newPlugin">Write my first plugin</button></p>
      </div>
      <template v-if="searches">
        <label class="hidden" for="plugin-search">Search the plugins</label>
        <input id="plugin-search" type="search" v-model="wanted" placeholder="Search the plugins" />
        <p class="quiet" role="status">{{ wanted && shown.length + " of " + state.plugins.length }}</p>
      </template>
      <CardView v-for="card in shown" :key="card.name" :card="card" @remove="removeCard(card)" />
      <p class="quiet drop" v-if="state.plugins.length">Drop a file anywhere to load another, or choose one from the
        <button type="button" class="plain" @click="openGallery">gallery</button> or
        <button type="button" class="plain" @click="openFromWorkspace">the workspace</button>, or
        <button type="button" class="plain" @click="newPlugin">write one</button>.</p>
    </section>
  `,
});
