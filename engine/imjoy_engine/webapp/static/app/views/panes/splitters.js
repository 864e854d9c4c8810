// The borders between panes, which are moved by pointer and keyboard, and where a dragged tab would fall.

import { arranged, setShare } from "../../layout/panes.js";
import { state } from "../../model/state.js";
import { rectangleStyle } from "./rectangles.js";

const STEP = 0.02;

const SplitterView = Vue.defineComponent({
  props: {
    splitter: { type: /** @type {PropType<import("../../layout/layout.js").Splitter>} */ (Object), required: true },
  },
  data: () => ({ grabbed: false }),
  computed: {
    style() {
      const { x, y, length, split } = this.splitter;
      return rectangleStyle({ x, y, width: length, height: length }, split.across ? 1 : 0);
    },
  },
  methods: {
    setShare,
    /** @param {PointerEvent} event */
    press(event) {
      event.preventDefault();
      this.$el.focus();
      this.$el.setPointerCapture(event.pointerId);
      this.grabbed = true;
    },
    /** @param {PointerEvent} event */
    moved(event) {
      if (!this.grabbed) return;
      const whole = this.$el.parentElement.getBoundingClientRect();
      const { split, rectangle } = this.splitter;
      const at = split.across
        ? ((event.clientX - whole.x) / whole.width - rectangle.x) / rectangle.width
        : ((event.clientY - whole.y) / whole.height - rectangle.y) / rectangle.height;
      setShare(split, at);
    },
    release() {
      this.grabbed = false;
    },
    /** @param {KeyboardEvent} event */
    key(event) {
      const { split } = this.splitter;
      const [less, more] = split.across ? ["ArrowLeft", "ArrowRight"] : ["ArrowUp", "ArrowDown"];
      const share = {
        [less]: split.share - STEP,
        [more]: split.share + STEP,
        Home: 0,
        End: 1,
      }[event.key];
      if (share === undefined) return;
      event.preventDefault();
      setShare(split, share);
    },
  },
  template: `
    <div class="splitter" :class="{ across: splitter.split.across }" role="separator" tabindex="0" aria-label="Border between panes"
      :aria-orientation="splitter.split.across ? 'vertical' : 'horizontal'" aria-valuemin="10" aria-valuemax="90"
      :aria-valuenow="Math.round(100 * splitter.split.share)" :style="style" @pointerdown="press" @pointermove="moved"
      @pointerup="release" @pointercancel="release" @keydown="key" @dblclick="setShare(splitter.split, 0.5)"></div>
  `,
});

export const SplittersView = Vue.defineComponent({
  components: { SplitterView },
  setup: () => ({ state, arranged }),
  computed: {
    hint: () => state.dragged?.target && rectangleStyle(state.dragged.target.rectangle, 0),
  },
  template: `
    <SplitterView v-for="(splitter, index) in arranged.splitters" :key="index" :splitter="splitter" />
    <div v-if="hint" class="fall" :style="hint" aria-hidden="true"></div>
  `,
});
