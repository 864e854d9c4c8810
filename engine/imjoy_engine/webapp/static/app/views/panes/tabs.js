// The bar over a pane: a tab for each view in it, and what can be done with the one that is shown. A tab is dragged to
// another pane, or to a side of one.

import { chooseInputs } from "../../plugins/inputs.js";
import { clearOutput } from "../../results/page_state.js";
import { targetAt } from "../../layout/layout.js";
import { arranged, moveToNextPane, moveView, popOut, showView, tabNamed, toggleMaximised } from "../../layout/panes.js";
import { state } from "../../model/state.js";
import { closeWindow } from "../../layout/windows.js";
import { rectangleStyle } from "./rectangles.js";

/** A press that moves less than this is a click. */
const DRAG_PIXELS = 8;
const FRAME = "M1.5 3v10h13V3z";
const ICONS = {
  right: `${FRAME}M8 3v10M10 8h3`,
  below: `${FRAME}M1.5 8h13M8 10v2`,
  next: "M2 8h9M7.5 4.5L11 8l-3.5 3.5M14 3v10",
  maximise: `${FRAME}M1.5 5.5h13`,
  restore: "M1.5 6v7.5h9V6zM4.5 6V3h10v7.5h-4",
  out: "M9 2.5h4.5V7M13 3L7.5 8.5M6 4H2.5v9.5H12V10",
};

export const IconView = Vue.defineComponent({
  props: { name: String },
  setup: () => ({ ICONS }),
  template: `<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path :d="ICONS[name]" /></svg>`,
});

export const TabsView = Vue.defineComponent({
  components: { IconView },
  props: {
    placed: { type: /** @type {PropType<import("../../layout/layout.js").Placed>} */ (Object), required: true },
    number: { type: Number, required: true },
  },
  setup: () => ({ state }),
  /** @returns {{pressed: {name: string, x: number, y: number} | null}} */
  data: () => ({ pressed: null }),
  computed: {
    tabs() {
      return this.placed.tabs.flatMap((name) => tabNamed(name) || []);
    },
    current() {
      return tabNamed(this.placed.shown);
    },
    style() {
      return rectangleStyle(this.placed, 2 * this.number);
    },
    hasOthers: () => arranged.value.panes.length > 1,
  },
  methods: {
    chooseInputs,
    clearOutput,
    closeWindow,
    moveToNextPane,
    popOut,
    showView,
    toggleMaximised,
    /** @param {import("../../layout/layout.js").Side} side */
    split(side) {
      if (this.current) moveView(this.current.name, this.placed.pane, side);
    },
    /** @param {number} step */
    move(step) {
      const at = this.tabs.findIndex(({ name }) => name === this.placed.shown);
      showView(this.tabs[(at + step + this.tabs.length) % this.tabs.length].name);
      this.$nextTick(() => this.$el.querySelector("[aria-selected=true]").focus());
    },
    /** @param {PointerEvent} event @param {string} name */
    press(event, name) {
      const { currentTarget } = event;
      // A finger scrolls the bar.
      if (event.button !== 0 || event.pointerType === "touch" || !(currentTarget instanceof Element)) return;
      currentTarget.setPointerCapture(event.pointerId);
      this.pressed = { name, x: event.clientX, y: event.clientY };
    },
    /** @param {PointerEvent} event */
    drag(event) {
      if (!this.pressed) return;
      const { name, x, y } = this.pressed;
      if (!state.dragged && Math.hypot(event.clientX - x, event.clientY - y) < DRAG_PIXELS) return;
      const whole = this.$el.parentElement.getBoundingClientRect();
      const [across, down] = [(event.clientX - whole.x) / whole.width, (event.clientY - whole.y) / whole.height];
      state.dragged = { name, target: targetAt(arranged.value.panes, across, down) };
    },
    drop() {
      const dragged = state.dragged;
      this.pressed = state.dragged = null;
      if (dragged?.target) moveView(dragged.name, dragged.target.pane, dragged.target.side);
    },
    cancel() {
      this.pressed = state.dragged = null;
    },
  },
  template: `
    <div class="tabs" :style="style">
      <div role="tablist" :aria-label="number ? 'Views ' + (number + 1) : 'Views'" @keydown.right.prevent="move(1)"
        @keydown.left.prevent="move(-1)" @keydown.delete.prevent="current.shown && closeWindow(current.shown)">
        <span v-for="tab in tabs" :key="tab.name" class="tab" :class="{ selected: placed.shown === tab.name }" role="presentation">
          <button role="tab" type="button" :id="'tab-' + tab.name" :aria-selected="placed.shown === tab.name"
            :tabindex="placed.shown === tab.name ? 0 : -1" @click="showView(tab.name)" @pointerdown="press($event, tab.name)"
            @pointermove="drag" @pointerup="drop" @pointercancel="cancel">{{ tab.title }}</button>
        </span>
      </div>
      <div class="tools" v-if="current">
        <button v-if="current.name === 'output'" type="button" class="plain" @click="chooseInputs">Open file</button>
        <button v-if="current.name === 'output' && state.output.length" type="button" class="plain" @click="clearOutput">Clear</button>
        <template v-if="!state.maximised">
          <button v-if="tabs.length > 1" type="button" class="plain tool wide" :aria-label="'Put ' + current.title + ' to the right'"
            title="To the right" @click="split('right')"><IconView name="right" /></button>
          <button v-if="tabs.length > 1" type="button" class="plain tool" :aria-label="'Put ' + current.title + ' below'"
            title="Below" @click="split('bottom')"><IconView name="below" /></button>
          <button v-if="hasOthers" type="button" class="plain tool" :aria-label="'Move ' + current.title + ' to the next pane'"
            title="To the next pane" @click="moveToNextPane(current.name)"><IconView name="next" /></button>
          <button v-if="current.shown" type="button" class="plain tool wide" :aria-label="'Pop out ' + current.title"
            title="Pop out" @click="popOut(current.name)"><IconView name="out" /></button>
        </template>
        <button type="button" class="plain tool wide" :aria-label="(state.maximised ? 'Restore ' : 'Maximise ') + current.title"
          :title="state.maximised ? 'Restore' : 'Maximise'" @click="toggleMaximised(current.name)">
          <IconView :name="state.maximised ? 'restore' : 'maximise'" /></button>
        <button v-if="current.shown" type="button" class="plain tool close" :aria-label="'Close ' + current.title"
          @click="closeWindow(current.shown)">×</button>
      </div>
    </div>
  `,
});
