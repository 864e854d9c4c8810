// The windows that plugins opened. Each stays where it is in the page: a frame that moves starts anew.

import { state } from "../state.js";
import { closeWindow } from "../windows.js";
import { ValueView } from "./value.js";

const WindowView = {
  components: { ValueView },
  props: { shown: Object },
  methods: { closeWindow },
  mounted() {
    if (this.shown.isDialog) this.$el.showModal();
  },
  beforeUnmount() {
    if (this.shown.isDialog) this.$el.close();
  },
  template: `
    <component :is="shown.isDialog ? 'dialog' : 'section'" class="window" :class="{ large: shown.isDialog }"
      :aria-label="shown.title" @cancel.prevent="closeWindow(shown)">
      <header v-if="shown.isDialog" class="heading">
        <h2>{{ shown.title }}</h2>
        <button type="button" @click="closeWindow(shown)">Close</button>
      </header>
      <div :id="shown.id" class="content">
        <img v-if="shown.content && shown.content.kind === 'image'" :src="shown.content.src" :alt="shown.title" />
        <ValueView v-else-if="shown.content && shown.content.kind === 'value'" :value="shown.content.value" />
        <pre v-else-if="shown.content" class="value">{{ shown.content.text }}</pre>
      </div>
    </component>
  `,
};

export const WindowsView = {
  components: { WindowView },
  setup: () => ({ state }),
  template: `
    <WindowView v-for="shown in state.windows" :key="shown.id" :shown="shown"
      v-show="shown.isDialog || state.view === shown.id" />
  `,
};
