// The dialogs that plugins and the page ask questions in. `state.dialogs` is the stack of open ones.

import { chooseFiles } from "../plugins/inputs.js";
import { state } from "../model/state.js";
import { AboutView } from "./plugins/about.js";
import { FilesView } from "./files.js";
import { GalleryView } from "./plugins/gallery.js";
import { AutostartView, DoctorView, EngineLogView, TokenView, UpgradeView } from "./upkeep.js";

/** @typedef {import("../plugins/fields.js").Field} Field */

const FieldView = Vue.defineComponent({
  props: {
    field: { type: /** @type {PropType<import("../plugins/fields.js").Field>} */ (Object), required: true },
    modelValue: {},
  },
  emits: ["update:modelValue"],
  computed: {
    id() {
      return `field-${this.field.id}`;
    },
    chosen() {
      return this.field.options.findIndex((/** @type {{value: unknown}} */ option) => option.value === this.modelValue);
    },
  },
  methods: {
    /** @param {unknown} value */
    set(value) {
      this.$emit("update:modelValue", value);
    },
    /** A path in the work folder, where the plugin finds it. */
    async choose() {
      const chosen = await chooseFiles({ title: this.field.label });
      if (chosen) this.set(chosen[0]);
    },
    /** @param {Event} event */
    setNumber({ target }) {
      const number = target instanceof HTMLInputElement ? target.valueAsNumber : NaN;
      this.set(Number.isNaN(number) ? null : number);
    },
  },
  template: `
    <div class="field" :class="field.kind">
      <label :for="id">{{ field.label }}</label>
      <select v-if="field.kind === 'choose'" :id="id" :value="chosen" @change="set(field.options[$event.target.value].value)">
        <option v-for="(option, index) in field.options" :key="index" :value="index">{{ option.label }}</option>
      </select>
      <input v-else-if="field.kind === 'checkbox'" :id="id" type="checkbox" :checked="modelValue"
        @change="set($event.target.checked)" />
      <input v-else-if="field.kind === 'number' || field.kind === 'range'" :id="id" :type="field.kind" :min="field.min"
        :max="field.max" :step="field.step" :value="modelValue" required @input="setNumber" />
      <textarea v-else-if="field.kind === 'textarea'" :id="id" rows="4" :value="modelValue" :required="field.required"
        @input="set($event.target.value)"></textarea>
      <div v-else-if="field.kind === 'file'" class="row">
        <input :id="id" type="text" :value="modelValue" :required="field.required" autocomplete="off"
          @input="set($event.target.value)" />
        <button type="button" :aria-label="'Choose ' + field.label" @click="choose">Choose</button>
      </div>
      <input v-else :id="id" :type="field.kind === 'string' ? 'text' : field.kind" :value="modelValue"
        :required="field.required" autocomplete="off" @input="set($event.target.value)" />
      <p class="quiet" v-if="field.help">{{ field.help }}</p>
    </div>
  `,
});

/** The dialogs that are more than a question. @type {Partial<Record<keyof Questions, object>>} */
const VIEWS = {
  about: AboutView,
  files: FilesView,
  gallery: GalleryView,
  doctor: DoctorView,
  "engine-log": EngineLogView,
  token: TokenView,
  autostart: AutostartView,
  upgrade: UpgradeView,
};

const DialogView = Vue.defineComponent({
  components: { FieldView },
  props: { dialog: { type: /** @type {PropType<Dialog>} */ (Object), required: true } },
  /** @returns {{text: string, answers: Record<string, unknown>}} */
  data() {
    const fields = (this.dialog.parts || []).flatMap(({ field }) => (field ? [field] : []));
    return {
      text: this.dialog.initial || "",
      answers: Object.fromEntries(fields.map((field) => [field.id, field.initial])),
    };
  },
  computed: {
    view() {
      return VIEWS[this.dialog.kind];
    },
    action() {
      return this.dialog.action || "OK";
    },
    refusal() {
      return this.dialog.kind === "confirm" ? false : null;
    },
  },
  methods: {
    accept() {
      const { kind, done } = this.dialog;
      if (kind === "prompt") done(this.text);
      else if (kind === "form") done({ ...this.answers });
      else done(true);
    },
    dismiss() {
      this.dialog.done(this.refusal);
    },
  },
  mounted() {
    this.$el.showModal();
  },
  beforeUnmount() {
    // It gives the focus back.
    this.$el.close();
  },
  template: `
    <dialog :aria-label="dialog.title" @cancel.prevent="dismiss" :class="{ large: view }">
      <component v-if="view" :is="view" :dialog="dialog" @dismiss="dismiss" />
      <form v-else @submit.prevent="accept">
        <h2>{{ dialog.title }}</h2>
        <p class="text" v-if="dialog.text">{{ dialog.text }}</p>
        <template v-for="(part, index) in dialog.parts" :key="index">
          <FieldView v-if="part.field" :field="part.field" v-model="answers[part.field.id]" />
          <p v-else class="text">{{ part.text }}</p>
        </template>
        <input v-if="dialog.kind === 'prompt'" v-model="text" type="text" :aria-label="dialog.text || dialog.title"
          autocomplete="off" autofocus />
        <div class="actions">
          <button v-if="dialog.kind !== 'alert'" type="button" @click="dismiss">Cancel</button>
          <button class="primary" type="submit">{{ action }}</button>
        </div>
      </form>
    </dialog>
  `,
});

export const DialogsView = Vue.defineComponent({
  components: { DialogView },
  setup: () => ({ state }),
  template: `<DialogView v-for="dialog in state.dialogs" :key="dialog.id" :dialog="dialog" />`,
});
