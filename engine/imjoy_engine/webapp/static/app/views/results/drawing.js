// A drawing, such as a matplotlib figure or an SVG, as it is. As an image it runs no scripts, and loads nothing.

import { saveFile } from "../../results/save_file.js";

/** @type {Record<string, string>} */
const SUFFIXES = { "image/svg+xml": "svg", "image/jpeg": "jpg" };

export const DrawingView = Vue.defineComponent({
  /** `drawing` is a Blob of an image's type; `name` is what a file of it is called. */
  props: { drawing: { type: /** @type {PropType<Blob>} */ (Object), required: true }, name: String },
  data() {
    return { url: URL.createObjectURL(this.drawing) };
  },
  computed: {
    suffix() {
      return SUFFIXES[this.drawing.type] || this.drawing.type.replace("image/", "");
    },
  },
  methods: {
    save() {
      saveFile(this.drawing, `${this.name || "drawing"}.${this.suffix}`);
    },
  },
  beforeUnmount() {
    URL.revokeObjectURL(this.url);
  },
  template: `
    <figure class="value drawing">
      <img :src="url" :alt="name || 'A drawing'" />
      <div class="row"><button type="button" @click="save">Save as {{ suffix.toUpperCase() }}</button></div>
    </figure>
  `,
});
