// A dialog with plugins to choose from: the examples at once, the public ones as soon as their list is here.

import { readable } from "../../model/errors.js";
import { publicList } from "../../plugins/gallery.js";
import { matching } from "../../plugins/search.js";
import { ProblemView } from "../controls/problem.js";

const DAY_AND_TIME = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "short" });

export const GalleryView = Vue.defineComponent({
  components: { ProblemView },
  props: {
    dialog: { type: /** @type {PropType<Dialog<"gallery"> & Questions["gallery"][0]>} */ (Object), required: true },
  },
  emits: ["dismiss"],
  /** @returns {{wanted: string, type: string, listed: PublicList | null, url: string, error: Problem | null, asked: number}} */
  data: () => ({ wanted: "", type: "", listed: null, url: "", error: null, asked: 0 }),
  computed: {
    all() {
      return [...this.dialog.examples, ...(this.listed?.plugins || [])];
    },
    types() {
      return [...new Set(this.all.map((entry) => entry.type).filter(Boolean))].sort();
    },
    shown() {
      const textOf = (/** @type {Example} */ { name, type, tags, description }) =>
        [name, type, ...tags, description].join(" ");
      const ofType = this.all.filter((entry) => !this.type || entry.type === this.type);
      return matching(this.wanted, ofType, textOf);
    },
    /** Where the public ones come from, and of when they are. */
    sentence() {
      if (!this.listed) return this.error ? "" : "Asking for the list of public plugins…";
      const { url, time, why, plugins } = this.listed;
      if (!url) return "There is no address of a list of public plugins.";
      const { host } = new URL(url);
      if (!why) return `${plugins.length} public plugins, listed by ${host}.`;
      if (!time) return `The list of public plugins could not be loaded. ${why}`;
      return `This is the list from ${DAY_AND_TIME.format(time * 1000)}; a newer one could not be loaded. ${why}`;
    },
  },
  methods: {
    /**
     * The answer of a question before the last one may come after that one's: it is nobody's.
     *
     * @param {string} [url] from which the list comes from now on
     */
    async ask(url) {
      const number = (this.asked += 1);
      Object.assign(this, { listed: null, error: null });
      try {
        const listed = await publicList(url);
        if (number === this.asked) Object.assign(this, { listed: Vue.markRaw(listed), url: listed.url });
      } catch (error) {
        if (number === this.asked) this.error = readable(error, "The list of public plugins could not be loaded.");
      }
    },
  },
  mounted() {
    this.ask();
  },
  template: `
    <div class="gallery">
      <h2>{{ dialog.title }}</h2>
      <div class="row">
        <label class="hidden" for="gallery-search">Search</label>
        <input id="gallery-search" type="search" v-model="wanted" placeholder="Search" autofocus />
        <label class="hidden" for="gallery-type">Type</label>
        <select id="gallery-type" v-model="type">
          <option value="">all types</option>
          <option v-for="each in types" :key="each">{{ each }}</option>
        </select>
      </div>
      <ul class="examples" tabindex="0" aria-label="Plugins">
        <li v-for="entry in shown" :key="entry.uri || entry.file" class="example">
          <div><strong>{{ entry.name }}</strong> <span class="tag" v-if="entry.type">{{ entry.type }}</span>
            <span class="tag" v-for="tag in entry.tags" :key="tag">{{ tag }}</span>
            <span class="tag public" v-if="entry.uri">public</span>
            <p class="quiet">{{ entry.description }}</p></div>
          <button type="button" :aria-label="'Load ' + entry.name" @click="dialog.done(entry)">Load</button>
        </li>
        <li class="quiet none" v-if="!shown.length">No plugin matches.</li>
      </ul>
      <p class="quiet" role="status">{{ sentence }}</p>
      <ProblemView v-if="error" :error="error" />
      <details>
        <summary>Where the list comes from</summary>
        <form class="row" @submit.prevent="ask(url.trim())">
          <label class="hidden" for="gallery-url">Url of the list of public plugins</label>
          <input id="gallery-url" type="url" v-model="url" placeholder="https://…/manifest.imjoy.json" />
          <button type="submit">Use it</button>
        </form>
        <p class="quiet">The engine loads the list when this is opened; where the address is empty, it loads none. Public plugins are
          other people's programs; native ones run as you.</p>
      </details>
      <div class="actions"><button type="button" @click="$emit('dismiss')">Cancel</button></div>
    </div>
  `,
});
