// The tabs over the right half: output, log, and a tab for each window.

import { clearOutput } from "../keeping.js";
import { state } from "../state.js";
import { closeWindow } from "../windows.js";

export const TabsView = {
  setup: () => ({ state }),
  computed: {
    tabs: () => [
      { id: "output", title: "Output" },
      { id: "log", title: "Log" },
      ...state.windows.filter((shown) => !shown.isDialog).map((shown) => ({ id: shown.id, title: shown.title, shown })),
    ],
    current() {
      return this.tabs.find((tab) => tab.id === state.view) || this.tabs[0];
    },
  },
  methods: {
    clearOutput,
    closeWindow,
    move(step) {
      const at = this.tabs.findIndex((tab) => tab.id === state.view);
      state.view = this.tabs[(at + step + this.tabs.length) % this.tabs.length].id;
      this.$nextTick(() => this.$el.querySelector("[aria-selected=true]").focus());
    },
  },
  template: `
    <div class="tabs" ref="tabs">
      <div role="tablist" aria-label="Views" @keydown.right.prevent="move(1)" @keydown.left.prevent="move(-1)"
        @keydown.delete.prevent="current.shown && closeWindow(current.shown)">
        <span v-for="tab in tabs" :key="tab.id" class="tab" :class="{ selected: state.view === tab.id }" role="presentation">
          <button role="tab" type="button" :id="'tab-' + tab.id" :aria-selected="state.view === tab.id"
            :tabindex="state.view === tab.id ? 0 : -1" @click="state.view = tab.id">{{ tab.title }}</button>
        </span>
      </div>
      <button v-if="current.shown" type="button" class="plain close" :aria-label="'Close ' + current.title"
        @click="closeWindow(current.shown)">×</button>
      <button v-if="state.view === 'output' && state.output.length" type="button" class="plain clear"
        @click="clearOutput">Clear</button>
    </div>
  `,
};
