// A button that opens a menu, as the ARIA practices have it: arrow keys, Home and End move, Escape and Tab close it.

const MOVES = {
  ArrowDown: (at, count) => (at + 1) % count,
  ArrowUp: (at, count) => (at + count - 1) % count,
  Home: () => 0,
  End: (at, count) => count - 1,
};

export const MenuView = {
  /** items: [{word, label, act, isChecked}]; one with `isChecked` is on or off */
  props: { label: String, items: Array },
  data: () => ({ open: false }),
  methods: {
    async show(at = 0) {
      this.open = true;
      await this.$nextTick();
      this.$refs.menu.scrollIntoView({ block: "nearest" });
      this.$refs.entries.at(at).focus();
    },
    close() {
      this.open = false;
      this.$refs.button.focus();
    },
    /** The focus goes back first, so that a dialog that is opened hands it on to the button again. */
    choose(item) {
      this.close();
      item.act();
    },
    moved(event) {
      const move = MOVES[event.key];
      if (!move) return;
      event.preventDefault();
      const { entries } = this.$refs;
      entries[move(entries.indexOf(document.activeElement), entries.length)].focus();
    },
    left(event) {
      if (!this.$el.contains(event.relatedTarget)) this.open = false;
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
};
