// An error: what happened, why, what to do, and its id.

import { asTyped, partsOf } from "../../model/commands.js";
import { state } from "../../model/state.js";

export const SentenceView = Vue.defineComponent({
  props: { text: { type: String, required: true } },
  computed: {
    parts() {
      return partsOf(asTyped(this.text, state.command));
    },
  },
  template: `<template v-for="(part, index) in parts" :key="index"><code v-if="part.isCode">{{ part.text }}</code><template
    v-else>{{ part.text }}</template></template>`,
});

export const ProblemView = Vue.defineComponent({
  components: { SentenceView },
  props: { error: { type: /** @type {PropType<Problem>} */ (Object), required: true }, closable: Boolean },
  emits: ["close"],
  template: `
    <div class="problem" role="alert">
      <p class="what"><SentenceView :text="error.what" /></p>
      <button v-if="closable" class="plain close" type="button" aria-label="Dismiss" @click="$emit('close')">×</button>
      <p class="why" v-if="error.why"><SentenceView :text="error.why" /></p>
      <p class="fix" v-if="error.fix"><span class="tag">Do this</span> <SentenceView :text="error.fix" /></p>
      <details v-if="error.output">
        <summary>Details</summary>
        <pre>{{ error.output }}</pre>
      </details>
      <p class="id" v-if="error.id">{{ error.id }}</p>
    </div>
  `,
});
