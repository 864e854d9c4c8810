// An error: what happened, why, what to do, and its id.

export const ProblemView = {
  props: { error: Object, closable: Boolean },
  emits: ["close"],
  template: `
    <div class="problem" role="alert">
      <p class="what">{{ error.what }}</p>
      <button v-if="closable" class="plain close" type="button" aria-label="Dismiss" @click="$emit('close')">×</button>
      <p class="why" v-if="error.why">{{ error.why }}</p>
      <p class="fix" v-if="error.fix"><span class="tag">Do this</span> {{ error.fix }}</p>
      <details v-if="error.output">
        <summary>Details</summary>
        <pre>{{ error.output }}</pre>
      </details>
      <p class="id" v-if="error.id">{{ error.id }}</p>
    </div>
  `,
};
