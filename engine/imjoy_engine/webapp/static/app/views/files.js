// A file dialog over the engine's files.

import { readable } from "../model/errors.js";
import { ProblemView } from "./controls/problem.js";

/** @typedef {Awaited<ReturnType<import("../../engine/files.js").FileManager["listFiles"]>>["children"][number]} Child */

export const FilesView = Vue.defineComponent({
  components: { ProblemView },
  props: { dialog: { type: /** @type {PropType<Dialog<"files"> & FileQuestion>} */ (Object), required: true } },
  emits: ["dismiss"],
  /** @returns {{path: string, entries: Child[], chosen: string[], error: Problem | null, busy: boolean}} */
  data: () => ({ path: "", entries: [], chosen: [], error: null, busy: true }),
  computed: {
    crumbs() {
      const names = this.path.split("/").filter(Boolean);
      const lead = this.path.startsWith("/") ? "/" : "";
      return names.map((name, index) => ({ name, path: lead + names.slice(0, index + 1).join("/") }));
    },
    shown() {
      return this.dialog.wanted === "directory" ? this.entries.filter((entry) => entry.isdir) : this.entries;
    },
    canChoose() {
      return this.chosen.length > 0 || this.dialog.wanted !== "file";
    },
  },
  methods: {
    /** @param {string} path */
    async open(path) {
      this.busy = true;
      try {
        const folder = await this.dialog.files.listFiles(path);
        const folders = folder.children.filter((entry) => entry.isdir);
        const files = folder.children.filter((entry) => !entry.isdir);
        Object.assign(this, { path: folder.path, entries: [...folders, ...files], chosen: [], error: null });
      } catch (error) {
        this.error = readable(error, "The folder could not be listed.");
      }
      this.busy = false;
      await this.$nextTick();
      this.$el.querySelector(".entries button")?.focus();
    },
    /** @param {Child} entry */
    pick(entry) {
      if (entry.isdir && this.dialog.wanted !== "directory") this.open(entry.path);
      else if (this.chosen.includes(entry.path)) this.chosen = this.chosen.filter((path) => path !== entry.path);
      else this.chosen = this.dialog.multiple ? [...this.chosen, entry.path] : [entry.path];
    },
    accept() {
      this.dialog.done(this.chosen.length ? [...this.chosen] : [this.path]);
    },
    /** @param {Child} entry */
    size({ size }) {
      if (size < 1024) return `${size} B`;
      return size < 1048576 ? `${Math.round(size / 1024)} KiB` : `${(size / 1048576).toFixed(1)} MiB`;
    },
  },
  mounted() {
    this.open(this.dialog.root);
  },
  template: `
    <form class="files" @submit.prevent="accept">
      <h2>{{ dialog.title }}</h2>
      <nav class="crumbs" aria-label="Folders">
        <button type="button" class="plain" @click="open('')">Workspace</button>
        <template v-for="crumb in crumbs" :key="crumb.path"><span aria-hidden="true">/</span>
          <button type="button" class="plain" @click="open(crumb.path)">{{ crumb.name }}</button></template>
      </nav>
      <ProblemView v-if="error" :error="error" />
      <ul class="entries" :aria-busy="busy">
        <li v-for="entry in shown" :key="entry.path">
          <button type="button" :aria-pressed="entry.isdir && dialog.wanted !== 'directory' ? undefined : chosen.includes(entry.path)"
            @click="pick(entry)" @dblclick="entry.isdir && open(entry.path)">
            <span aria-hidden="true">{{ entry.isdir ? "▸" : "·" }}</span>
            <span class="name">{{ entry.name }}</span>
            <span class="quiet">{{ entry.isdir ? "folder" : size(entry) }}</span>
          </button>
        </li>
        <li class="quiet none" v-if="!busy && !shown.length">This folder is empty.</li>
      </ul>
      <div class="actions">
        <span class="quiet">{{ chosen.length ? chosen.join(", ") : path }}</span>
        <template v-if="dialog.takesOthers">
          <input ref="others" type="file" multiple hidden data-testid="other-files"
            @change="dialog.done([...$event.target.files])" />
          <button type="button" @click="$refs.others.click()">From this computer</button>
        </template>
        <button type="button" @click="$emit('dismiss')">Cancel</button>
        <button class="primary" type="submit" :disabled="!canChoose">Choose</button>
      </div>
    </form>
  `,
});
