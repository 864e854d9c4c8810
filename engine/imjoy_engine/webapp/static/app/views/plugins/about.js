// What a plugin is: what its file says of it, as Markdown, and its source.

import { docsOf, readMarkdown } from "../../results/markdown.js";
import { MarkdownView } from "../results/markdown.js";

export const AboutView = Vue.defineComponent({
  components: { MarkdownView },
  props: { dialog: { type: /** @type {PropType<Questions["about"][0]>} */ (Object), required: true } },
  emits: ["dismiss"],
  computed: {
    blocks() {
      const { name, template } = this.dialog.card;
      const [first, ...others] = docsOf(template.code || "").split("\n");
      // Its name stands above already.
      return readMarkdown((first.replace(/^#\s+/, "").trim() === name ? others : [first, ...others]).join("\n"));
    },
  },
  template: `
    <div class="about">
      <h2>{{ dialog.card.name }}</h2>
      <p class="row"><span class="tag">{{ dialog.card.type }}</span>
        <span class="tag" v-if="dialog.card.version">{{ dialog.card.version }}</span></p>
      <div class="docs" tabindex="0" role="region" aria-label="Description">
        <p class="quiet" v-if="dialog.card.description">{{ dialog.card.description }}</p>
        <MarkdownView :blocks="blocks" />
        <details>
          <summary>Source</summary>
          <pre class="source">{{ dialog.card.template.code }}</pre>
        </details>
      </div>
      <div class="actions">
        <button type="button" class="primary" autofocus @click="$emit('dismiss')">Close</button>
      </div>
    </div>
  `,
});
