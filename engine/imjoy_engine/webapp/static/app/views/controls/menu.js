// A button that opens a menu, as the ARIA practices have it: arrow keys, Home and End move, Escape and Tab close it.

import { elementOf, leaves } from "./elements.js";

/** @typedef {{word: string, label: string, act: () => unknown, isChecked?: boolean}} MenuItem `isChecked`: it is on or off */

/** Which of so many is next after one, for each key. @type {Record<string, (at: number, count: number) => number>} */
const MOVES = {
  ArrowDown: (at, count) => (at + 1) % count,
  ArrowUp: (at, count) => (at + count - 1) % count,
  Home: () => 0,
  End: (at, count) => count - 1,
};

export const MenuView = Vue.defineComponent({
  props: { label: String, items: { type: /** @type {PropType<MenuItem[]>} */ (Array), required: true } },
  data: () => ({ open: false }),
  methods: {
    /** @returns {HTMLElement[]} */
    entries() {
      const { entries } = this.$refs;
      return Array.isArray(entries) ? entries : [];
    },
    async show(at = 0) {
      this.open = true;
      await this.$nextTick();
      elementOf(this.$refs, "menu", HTMLElement)?.scrollIntoView({ block: "nearest" });
      this.entries().at(at)?.focus();
    },
    close() {
      this.open = false;
      elementOf(this.$refs, "button", HTMLElement)?.focus();
    },
    /** The focus goes back first, so that a dialog that is opened hands it on to the button again. */
    choose(/** @type {MenuItem} */ item) {
      this.close();
      item.act();
    },
    /** @param {KeyboardEvent} event */
    moved(event) {
      const move = MOVES[event.key];
      if (!move) return;
      event.preventDefault();
      const entries = this.entries();
      const at = entries.findIndex((entry) => entry === document.activeElement);
      entries[move(at, entries.length)].focus();
    },
    /** @param {FocusEvent} event */
    left(event) {
      if (leaves(this.$el, event)) this.open = false;
    },
  },
  template: `
    <div class="menu" @focusout="left">
      <button ref="button" type="button" class="plain" aria-haspopup="menu" :aria-expanded="open" :aria-label="label"
        @click="open ? close() : show()" @keydown.down.prevent="show()" @keydown.up.prevent="show(-1)">⋯</button>
      <div ref="menu" role="menu" v-if="open" :aria-label="label" tabindex="-1" @keydown="moved" @keydown.esc.stop="close"
        @keydown.tab="open = false">
        <button v-for="item in items" :key="item.word" ref="entries" type="button" tabindex="-1" :aria-label="item.label"
          :role="item.isChecked === undefined ? 'menuitem' : 'menuitemcheckbox'" :aria-checked="item.isChecked" @click="choose(item)">{{ item.word }}</button>
      </div>
    </div>
  `,
});
