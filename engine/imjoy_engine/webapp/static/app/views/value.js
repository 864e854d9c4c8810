// A value: text, numbers, an array with its shape and, where it is one, as a picture.

import { draw, isPicture } from "../values.js";

export const ValueView = {
  name: "ValueView",
  props: { value: Object },
  computed: {
    shape() {
      return this.value.shape.join(" × ");
    },
    picture() {
      return this.value.kind === "array" && isPicture(this.value);
    },
  },
  mounted() {
    if (this.picture) draw(this.$refs.canvas, this.value);
  },
  template: `
    <p class="quiet" v-if="value.kind === 'none'">nothing</p>
    <dl v-else-if="value.kind === 'record'" class="record">
      <template v-for="row in value.rows" :key="row.name">
        <dt>{{ row.name }}</dt>
        <dd><ValueView :value="row.value" /></dd>
      </template>
    </dl>
    <pre v-else-if="value.kind !== 'array'" class="value">{{ value.text }}</pre>
    <figure v-else class="value array">
      <figcaption><span class="tag">{{ value.dtype }}</span> {{ shape }}</figcaption>
      <canvas v-if="picture" ref="canvas" role="img" :aria-label="'A picture, ' + shape"></canvas>
      <pre v-else-if="value.text">{{ value.text }}</pre>
    </figure>
  `,
};
