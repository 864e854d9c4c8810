// What a plugin is: what its file says of it, as Markdown, and its source.

import { docsOf, readMarkdown } from "../markdown.js";

const InlineView = {
  name: "InlineView",
  props: { parts: Array },
  template: `<template v-for="(part, index) in parts" :key="index"><template v-if="part.kind === 'text'">{{ part.text }}</template><code
    v-else-if="part.kind === 'code'">{{ part.text }}</code><br v-else-if="part.kind === 'break'" /><a
    v-else-if="part.kind === 'link'" :href="part.href" target="_blank" rel="noopener noreferrer"><InlineView
    :parts="part.inline" /></a><strong v-else-if="part.kind === 'strong'"><InlineView :parts="part.inline" /></strong><em
    v-else><InlineView :parts="part.inline" /></em></template>`,
};

const MarkdownView = {
  name: "MarkdownView",
  components: { InlineView },
  props: { blocks: Array },
  template: `
    <template v-for="(block, index) in blocks" :key="index">
      <component v-if="block.kind === 'heading'" :is="'h' + block.level"><InlineView :parts="block.inline" /></component>
      <p v-else-if="block.kind === 'paragraph'"><InlineView :parts="block.inline" /></p>
      <pre v-else-if="block.kind === 'code'">{{ block.text }}</pre>
      <hr v-else-if="block.kind === 'rule'" />
      <blockquote v-else-if="block.kind === 'quote'"><MarkdownView :blocks="block.blocks" /></blockquote>
      <component v-else :is="block.isOrdered ? 'ol' : 'ul'" :start="block.isOrdered ? block.start : null">
        <li v-for="(item, number) in block.items" :key="number"><MarkdownView :blocks="item" /></li>
      </component>
    </template>
  `,
};

export const AboutView = {
  components: { MarkdownView },
  props: { dialog: Object },
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
      <div class="docs" tabindex="0" role="region" aria-label="What it is">
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
};
