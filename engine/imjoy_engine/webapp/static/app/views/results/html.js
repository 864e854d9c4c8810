// What a plugin returned as HTML, as itself: in a frame that the engine serves with a policy of its own, which does not reach
// this page, fetches nothing and goes nowhere. Where a link in it leads is shown here, for the person to follow.

import { home } from "../../model/storage.js";
import { saveFile } from "../../results/save_file.js";
import { elementOf } from "../controls/elements.js";

const MIN_PIXELS = 48;
const MAX_PIXELS = 800;
const MAX_LINK_CHARACTERS = 2000;
const SCHEMES = ["http:", "https:", "mailto:"];

/**
 * The address that a frame says a link in it leads to, or "" where it is none that is followed.
 *
 * @param {unknown} link
 */
function addressOf(link) {
  if (typeof link !== "string" || link.length > MAX_LINK_CHARACTERS) return "";
  try {
    const { protocol, href } = new URL(link);
    return SCHEMES.includes(protocol) ? href : "";
  } catch {
    return ""; // URL.canParse came with Safari 17
  }
}

export const HtmlView = Vue.defineComponent({
  /** `name` is what a file of it is called. */
  props: { html: { type: String, required: true }, name: String },
  setup: () => ({ address: `${home}/html-frame.html` }),
  data: () => ({ height: MIN_PIXELS, link: "" }),
  methods: {
    loaded() {
      elementOf(this.$refs, "frame", HTMLIFrameElement)?.contentWindow?.postMessage({ html: this.html }, "*");
    },
    /** @param {MessageEvent} event */
    heard({ source, data }) {
      const frame = elementOf(this.$refs, "frame", HTMLIFrameElement);
      if (!frame || source !== frame.contentWindow) return;
      if (data?.height > 0) this.height = Math.min(MAX_PIXELS, Math.max(MIN_PIXELS, Math.ceil(data.height)));
      // A person who is about to follow the link that is shown has read that one.
      const isInUse = elementOf(this.$refs, "link", HTMLAnchorElement)?.matches(":hover, :active, :focus-visible");
      if (data?.link && !isInUse) this.link = addressOf(data.link);
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
      <p v-if="link" class="link" role="status">This link leads to
        <a ref="link" :href="link" target="_blank" rel="noopener noreferrer">{{ link }}</a></p>
      <div class="row"><button type="button" @click="save">Save as HTML</button></div>
    </figure>
  `,
});
