// The borders between panes, which are moved by pointer and keyboard, and where a dragged tab would fall.

import { arranged, setShare } from "../../layout/panes.js";
import { state } from "../../state.js";
import { boxStyle } from "./boxes.js";

const STEP = 0.02;

const SeamView = Vue.defineComponent({
  props: { seam: { type: /** @type {PropType<import("../../layout/layout.js").Seam>} */ (Object), required: true } },
  data: () => ({ grabbed: false }),
  computed: {
    style() {
      const { x, y, length, split } = this.seam;
      return boxStyle({ x, y, width: length, height: length }, split.across ? 1 : 0);
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
      const { split, box } = this.seam;
      const at = split.across
        ? ((event.clientX - whole.x) / whole.width - box.x) / box.width
        : ((event.clientY - whole.y) / whole.height - box.y) / box.height;
      setShare(split, at);
    },
    release() {
      this.grabbed = false;
    },
    /** @param {KeyboardEvent} event */
    key(event) {
      const { split } = this.seam;
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
    <div class="seam" :class="{ across: seam.split.across }" role="separator" tabindex="0" aria-label="Border between panes"
      :aria-orientation="seam.split.across ? 'vertical' : 'horizontal'" aria-valuemin="10" aria-valuemax="90"
      :aria-valuenow="Math.round(100 * seam.split.share)" :style="style" @pointerdown="press" @pointermove="moved"
      @pointerup="release" @pointercancel="release" @keydown="key" @dblclick="setShare(seam.split, 0.5)"></div>
  `,
});

export const SeamsView = Vue.defineComponent({
  components: { SeamView },
  setup: () => ({ state, arranged }),
  computed: {
    hint: () => state.dragged?.target && boxStyle(state.dragged.target.box, 0),
  },
  template: `
    <SeamView v-for="(seam, index) in arranged.seams" :key="index" :seam="seam" />
    <div v-if="hint" class="fall" :style="hint" aria-hidden="true"></div>
  `,
});
