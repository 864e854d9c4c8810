// A value: text, numbers, an array with its shape and, where it is one, as a picture.

import { readMarkdown } from "../../results/markdown.js";
import { DrawingView } from "./drawing.js";
import { HtmlView } from "./html.js";
import { ImageView } from "./image.js";
import { MarkdownView } from "./markdown.js";
import { TableView } from "./table.js";

export const ValueView = Vue.defineComponent({
  name: "ValueView",
  components: { DrawingView, HtmlView, ImageView, MarkdownView, TableView },
  props: {
    value: { type: /** @type {PropType<import("../../results/values.js").Description>} */ (Object), required: true },
    name: String,
  },
  methods: { readMarkdown },
  computed: {
    shape() {
      return this.value.kind === "array" ? this.value.shape.join(" × ") : "";
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
    <HtmlView v-else-if="value.kind === 'html'" :html="value.text" :name="name" />
    <div v-else-if="value.kind === 'markdown'" class="value docs"><MarkdownView :blocks="readMarkdown(value.text)" /></div>
    <TableView v-else-if="value.kind === 'table'" :table="value.table" :name="name" />
    <pre v-else-if="value.kind !== 'array'" class="value">{{ value.text }}</pre>
    <ImageView v-else-if="value.isPicture" :array="value" :hints="value.hints" :name="name" />
    <figure v-else class="value array">
      <figcaption><span class="tag">{{ value.dtype }}</span> {{ shape }}</figcaption>
      <pre v-if="value.text">{{ value.text }}</pre>
    </figure>
  `,
});
