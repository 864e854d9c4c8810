// A value: text, numbers, an array with its shape and, where it is one, as a picture.

import { ImageView } from "./image.js";
import { TableView } from "./table.js";

export const ValueView = {
  name: "ValueView",
  components: { ImageView, TableView },
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
    <TableView v-else-if="value.kind === 'table'" :table="value.table" :name="name" />
    <pre v-else-if="value.kind !== 'array'" class="value">{{ value.text }}</pre>
    <ImageView v-else-if="value.isPicture" :array="value" :hints="value.hints" :name="name" />
    <figure v-else class="value array">
      <figcaption><span class="tag">{{ value.dtype }}</span> {{ shape }}</figcaption>
      <pre v-if="value.text">{{ value.text }}</pre>
    </figure>
  `,
};
