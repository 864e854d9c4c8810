// A plugin's file to be edited: saved to the workspace, and run.

import { messageOf } from "../../../engine/errors.js";
import { save, saveAndRun } from "../../plugins/editors.js";
import { elementOf } from "../controls/elements.js";

export const EditorView = Vue.defineComponent({
  props: { editor: { type: /** @type {PropType<Editor>} */ (Object), required: true } },
  data: () => ({ problem: "", busy: false }),
  computed: {
    isChanged() {
      return this.editor.text !== this.editor.kept;
    },
  },
  methods: {
    save() {
      return this.doing(save);
    },
    saveAndRun() {
      return this.doing(saveAndRun);
    },
    /** @param {(editor: Editor) => Promise<unknown>} act */
    async doing(act) {
      if (this.busy) return;
      this.busy = true;
      try {
        await act(this.editor);
      } finally {
        this.busy = false;
      }
    },
  },
  async mounted() {
    const { editor } = this;
    const pressed = (/** @type {() => void} */ act) => () => (act(), true);
    const meanwhile = new AbortController();
    let isElsewhere = false;
    for (const type of ["pointerdown", "keydown"]) {
      window.addEventListener(type, () => (isElsewhere = true), { capture: true, signal: meanwhile.signal });
    }
    try {
      const { openCode } = await import("../../plugins/code_editor.js");
      const place = elementOf(this.$refs, "code", HTMLElement);
      // It was closed meanwhile.
      if (!place) return;
      editor.code = Vue.markRaw(
        openCode(place, {
          text: editor.text,
          label: `Source of ${editor.file}`,
          changed: (text) => Object.assign(editor, { text, note: "" }),
          keys: [
            { key: "Mod-s", run: pressed(this.save), preventDefault: true },
            { key: "Mod-Enter", run: pressed(this.saveAndRun), preventDefault: true },
          ],
        }),
      );
      // Whoever opened a menu while it was fetched would see that close.
      if (!isElsewhere) editor.code.focus();
    } catch (error) {
      this.problem = `The editor did not start. ${messageOf(error)}`;
    } finally {
      meanwhile.abort();
    }
  },
  unmounted() {
    this.editor.code?.close();
  },
  template: `
    <div class="editor">
      <div class="row">
        <button type="button" class="primary" @click="saveAndRun" :disabled="busy || editor.isStarting">Save and run</button>
        <button type="button" @click="save" :disabled="busy || !isChanged">Save</button>
        <p class="quiet" role="status">{{ editor.note || (isChanged ? "Not saved yet." : "") }}</p>
      </div>
      <p v-if="problem" role="alert">{{ problem }}</p>
      <div class="code" ref="code"></div>
      <p class="quiet">Ctrl+S saves, Ctrl+Enter saves and runs; Escape, then Tab, leaves the text.</p>
    </div>
  `,
});
