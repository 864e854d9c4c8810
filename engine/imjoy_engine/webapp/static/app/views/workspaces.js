// The workspace that is open, and behind its name the others and what can be done with them.

import { stop } from "../plugins/plugins.js";
import { state } from "../model/state.js";
import {
  attempt,
  createWorkspace,
  DEFAULT,
  deleteWorkspace,
  exportWorkspace,
  openWorkspace,
  importWorkspace,
  listWorkspaces,
  renameWorkspace,
} from "../layout/workspaces.js";
import { elementOf, emptyField, filesIn, leaves } from "./controls/elements.js";

const stopAll = () => Promise.all(state.plugins.map(stop));

export const WorkspacesView = Vue.defineComponent({
  setup: () => ({ state, DEFAULT }),
  data: () => ({ open: false }),
  computed: {
    others: () => state.workspaces.filter((name) => name !== state.workspace),
  },
  methods: {
    openWorkspace,
    toggle() {
      this.open = !this.open;
      // Another browser may have made one.
      if (this.open) listWorkspaces().catch(() => {});
    },
    /** The focus goes back first, so that a dialog hands it on to the button again. */
    act(/** @type {(stopAll: () => Promise<unknown>) => Promise<unknown>} */ action) {
      this.open = false;
      elementOf(this.$refs, "button", HTMLElement)?.focus();
      attempt(() => action(stopAll));
    },
    create() {
      this.act(createWorkspace);
    },
    rename() {
      this.act(renameWorkspace);
    },
    remove() {
      this.act(deleteWorkspace);
    },
    save() {
      this.act(exportWorkspace);
    },
    /** @param {Event} event */
    picked(event) {
      const [file] = filesIn(event);
      emptyField(event);
      if (file) this.act(() => importWorkspace(file));
    },
    /** @param {FocusEvent} event */
    left(event) {
      if (leaves(this.$el, event)) this.open = false;
    },
  },
  template: `
    <div class="workspaces" @keydown.esc="open = false" @focusout="left">
      <button ref="button" type="button" class="plain" @click="toggle" :aria-expanded="open"
        :aria-label="'Workspace ' + state.workspace">{{ state.workspace }} <span aria-hidden="true">▾</span></button>
      <input ref="file" type="file" accept=".json" hidden data-testid="workspace-file" @change="picked" />
      <div class="popover" v-if="open" tabindex="-1">
        <h2>{{ state.workspace }}</h2>
        <div class="actions">
          <button type="button" @click="save">Export</button>
          <button v-if="state.workspace !== DEFAULT" type="button" @click="rename">Rename</button>
          <button v-if="state.workspace !== DEFAULT" type="button" @click="remove">Delete</button>
        </div>
        <h2>Workspaces</h2>
        <ul v-if="others.length">
          <li v-for="name in others" :key="name"><button type="button" class="plain" @click="openWorkspace(name)"
            :aria-label="'Open ' + name">{{ name }}</button></li>
        </ul>
        <div class="actions">
          <button type="button" @click="create">New</button>
          <button type="button" @click="$refs.file.click()">Import</button>
        </div>
      </div>
    </div>
  `,
});
