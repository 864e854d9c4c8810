// What a plugin returned as HTML, as itself: in a frame that the engine serves with a policy of its own, which does not reach
// this page and fetches nothing.

import { home } from "../../memory.js";
import { saveFile } from "../../results/saving.js";

const LEAST_PIXELS = 48;
const MOST_PIXELS = 800;

export const HtmlView = {
  /** `name` is what a file of it is called. */
  props: { html: String, name: String },
  setup: () => ({ address: `${home}/html-frame.html` }),
  data: () => ({ height: LEAST_PIXELS }),
  methods: {
    /** Once: what the frame shows later, such as the page behind a link, is not told it. */
    loaded() {
      if (this.told) return;
      this.told = true;
      this.$refs.frame.contentWindow.postMessage({ html: this.html }, "*");
    },
    heard({ source, data }) {
      if (source !== this.$refs.frame?.contentWindow || !(data?.height > 0)) return;
      this.height = Math.min(MOST_PIXELS, Math.max(LEAST_PIXELS, Math.ceil(data.height)));
    },
    save() {
      saveFile(new Blob([this.html], { type: "text/html" }), `${this.name || "page"}.html`);
    },
  },
  mounted() {
    window.addEventListener("message", this.heard);
  },
  beforeUnmount() {
    window.removeEventListener("message", this.heard);
  },
  template: `
    <figure class="value html">
      <iframe ref="frame" :src="address" sandbox="allow-scripts" :title="name || 'What a plugin returned'"
        :style="{ height: height + 'px' }" @load="loaded"></iframe>
      <div class="row"><button type="button" @click="save">Save as HTML</button></div>
    </figure>
  `,
};
