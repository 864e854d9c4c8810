// Markdown, as elements of this page: nothing of it is ever taken for HTML.

const InlineView = Vue.defineComponent({
  name: "InlineView",
  props: {
    parts: { type: /** @type {PropType<import("../../results/markdown.js").Inline[]>} */ (Array), required: true },
  },
  template: `<template v-for="(part, index) in parts" :key="index"><template v-if="part.kind === 'text'">{{ part.text }}</template><code
    v-else-if="part.kind === 'code'">{{ part.text }}</code><br v-else-if="part.kind === 'break'" /><a
    v-else-if="part.kind === 'link'" :href="part.href" target="_blank" rel="noopener noreferrer"><InlineView
    :parts="part.inline" /></a><strong v-else-if="part.kind === 'strong'"><InlineView :parts="part.inline" /></strong><em
    v-else><InlineView :parts="part.inline" /></em></template>`,
});

/** `blocks` are what `readMarkdown` returns. */
export const MarkdownView = Vue.defineComponent({
  name: "MarkdownView",
  components: { InlineView },
  props: {
    blocks: { type: /** @type {PropType<import("../../results/markdown.js").Block[]>} */ (Array), required: true },
  },
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
});
