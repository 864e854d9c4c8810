// A value: text, numbers, an array with its shape and, where it is one, as a picture.

import { DrawingView } from "./drawing.js";
import { ImageView } from "./image.js";
import { TableView } from "./table.js";

export const ValueView = {
  name: "ValueView",
  components: { DrawingView, ImageView, TableView },
  props: { value: Object, name: String },
  computed: {
    shape() {
      return this.value.shape.join(" × ");
    },
  },
  template: `
    <p class="quiet" v-if="value.kind === 'none'">nothing</p>
    <dl v-else-if="value.kind === 'record'" class="record">
      <template v-for="row in value.rows" :key="row.name">
        <dt>{{ row.name }}</dt>
        <dd><ValueView :value="row.value" :name="row.name" /></dd>
      </template>
    </dl>
    <DrawingView v-else-if="value.kind === 'drawing'" :drawing="value.drawing" :name="name" />
    <TableView v-else-if="value.kind === 'table'" :table="value.table" :name="name" />
    <pre v-else-if="value.kind !== 'array'" class="value">{{ value.text }}</pre>
    <ImageView v-else-if="value.isPicture" :array="value" :hints="value.hints" :name="name" />
    <figure v-else class="value array">
      <figcaption><span class="tag">{{ value.dtype }}</span> {{ shape }}</figcaption>
      <pre v-if="value.text">{{ value.text }}</pre>
    </figure>
  `,
};
