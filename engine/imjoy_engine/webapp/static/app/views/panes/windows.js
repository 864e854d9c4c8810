// The windows that plugins opened, in panes or floating. Each stays where it is in the page: a frame that moves starts anew.

import { floatRectangle, moveFloat, paneShowing, putBack, resizeFloat } from "../../layout/panes.js";
import { state } from "../../model/state.js";
import { closeWindow } from "../../layout/windows.js";
import { rectangleStyle } from "./rectangles.js";
import { EditorView } from "../plugins/editor.js";
import { ValueView } from "../results/value.js";

const KEY_PIXELS = 24;
/** Floating windows lie over the panes, and under what the page asks. */
const FLOAT_LEVEL = 3;
/** @typedef {(name: string, dx: number, dy: number) => void} Change of a floating window */
/** @type {Record<string, [number, number]>} */
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const WindowView = Vue.defineComponent({
  components: { EditorView, ValueView },
  props: { shown: { type: /** @type {PropType<WindowShown>} */ (Object), required: true } },
  /** @returns {{grabbed: {change: Change, x: number, y: number} | null}} */
  data: () => ({ grabbed: null }),
  computed: {
    float() {
      return this.shown.isDialog ? undefined : floatRectangle(this.shown.name);
    },
    placed() {
      return this.shown.isDialog || this.float ? undefined : paneShowing(this.shown.name);
    },
    isSeen() {
      return Boolean(this.shown.isDialog || this.float || this.placed);
    },
    style() {
      if (this.float) {
        const { x, y, width, height, order } = this.float;
        return {
          left: `${x}px`,
          top: `${y}px`,
          width: `${width}px`,
          height: `${height}px`,
          zIndex: FLOAT_LEVEL + order,
        };
      }
      return this.placed ? rectangleStyle(this.placed, 2 * this.placed.index + 1) : {};
    },
  },
  methods: {
    closeWindow,
    putBack,
    /** @param {PointerEvent} event @param {Change} change */
    grab(event, change) {
      const { target, currentTarget } = event;
      if (target instanceof Element && target.closest("button:not(.mover)")) return;
      event.preventDefault();
      if (currentTarget instanceof Element) currentTarget.setPointerCapture(event.pointerId);
      this.grabbed = { change, x: event.clientX, y: event.clientY };
    },
    /** @param {PointerEvent} event */
    drag(event) {
      if (!this.grabbed) return;
      const { change, x, y } = this.grabbed;
      change(this.shown.name, event.clientX - x, event.clientY - y);
      this.grabbed = { change, x: event.clientX, y: event.clientY };
    },
    release() {
      this.grabbed = null;
    },
    /** @param {PointerEvent} event */
    move(event) {
      this.grab(event, moveFloat);
    },
    /** @param {PointerEvent} event */
    resize(event) {
      this.grab(event, resizeFloat);
    },
    /** @param {KeyboardEvent} event */
    key(event) {
      const direction = DIRECTIONS[event.key];
      if (!direction) return;
      event.preventDefault();
      const [dx, dy] = direction.map((one) => one * KEY_PIXELS);
      (event.shiftKey ? resizeFloat : moveFloat)(this.shown.name, dx, dy);
    },
  },
  mounted() {
    if (this.shown.isDialog) this.$el.showModal();
  },
  beforeUnmount() {
    if (this.shown.isDialog) this.$el.close();
  },
  template: `
    <component :is="shown.isDialog ? 'dialog' : 'section'" class="window view" v-show="isSeen" :style="style"
      :class="{ large: shown.isDialog, floating: float, held: grabbed }" :aria-label="shown.title"
      @cancel.prevent="closeWindow(shown)">
      <header v-if="shown.isDialog" class="heading">
        <h2>{{ shown.title }}</h2>
        <button type="button" @click="closeWindow(shown)">Close</button>
      </header>
      <header v-else-if="float" class="heading" @pointerdown="move" @pointermove="drag" @pointerup="release"
        @pointercancel="release">
        <h2><button type="button" class="plain mover" :aria-label="'Move ' + shown.title + ': arrow keys; with Shift they resize it'"
          @keydown="key">{{ shown.title }}</button></h2>
        <button type="button" class="plain" :aria-label="'Put ' + shown.title + ' back'" @click="putBack(shown.name)">Put back</button>
        <button type="button" class="plain" :aria-label="'Close ' + shown.title" @click="closeWindow(shown)">×</button>
      </header>
      <div :id="shown.id" class="content">
        <img v-if="shown.content && shown.content.kind === 'image'" :src="shown.content.src" :alt="shown.title" />
        <EditorView v-else-if="shown.content && shown.content.kind === 'editor'" :editor="shown.content" />
        <ValueView v-else-if="shown.content" :value="shown.content.value" :name="shown.title" />
      </div>
      <div v-if="float" class="grip" aria-hidden="true" @pointerdown="resize" @pointermove="drag" @pointerup="release"
        @pointercancel="release"></div>
    </component>
  `,
});

export const WindowsView = Vue.defineComponent({
  components: { WindowView },
  setup: () => ({ state }),
  template: `<WindowView v-for="shown in state.windows" :key="shown.id" :shown="shown" />`,
});
