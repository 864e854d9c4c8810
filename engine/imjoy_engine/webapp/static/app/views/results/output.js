// What plugins returned and said, the newest first.

import { dataOf } from "../../plugins/inputs.js";
import { run } from "../../plugins/plugins.js";
import { state } from "../../model/state.js";
import { describe } from "../../results/values.js";
import { emptyField, textIn } from "../controls/elements.js";
import { ProblemView } from "../controls/problem.js";
import { ValueView } from "./value.js";

/** @type {WeakMap<Shown, import("../../results/values.js").Description>} */
const descriptions = new WeakMap();

export const OutputView = Vue.defineComponent({
  components: { ProblemView, ValueView },
  setup: () => ({ state }),
  computed: {
    /** What can be run: every plugin that is ready, and every operation of one. */
    uses: () =>
      state.plugins
        .filter((card) => card.plugin)
        .flatMap((card) => [
          ...(card.canRun ? [{ name: card.name, card, op: null }] : []),
          ...card.ops.map((op) => ({ name: `${card.name} › ${op.name}`, card, op })),
        ]),
  },
  methods: {
    dataOf,
    /** @param {OutputEntry} entry @param {Event} event */
    runOn(entry, event) {
      const chosen = textIn(event);
      emptyField(event);
      if (!chosen) return;
      const { card, op } = this.uses[Number(chosen)];
      run(card, op, dataOf(entry) || {});
    },
    /** Once for each value: the page is drawn anew whenever anything is said. */
    described(/** @type {Shown} */ value) {
      const known = descriptions.get(value) || Vue.markRaw(describe(value.result));
      descriptions.set(value, known);
      return known;
    },
    time: (/** @type {Date} */ date) =>
      date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" }),
    duration: (/** @type {number} */ seconds) =>
      seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`,
  },
  template: `
    <section class="output pane" role="tabpanel" aria-labelledby="tab-output">
      <div class="empty" v-if="!state.output.length">
        <p class="big">Nothing here yet</p>
        <p>Load a plugin and press Run: what it returns and prints appears here.</p>
      </div>
      <article v-for="entry in state.output" :key="entry.id" class="entry" :class="entry.kind">
        <header>
          <strong>{{ entry.plugin }}</strong><span v-if="entry.op"> › {{ entry.op }}</span>
          <span class="quiet"><span v-if="entry.seconds !== undefined">{{ duration(entry.seconds) }} · </span>{{ time(entry.time) }}</span>
        </header>
        <label class="use" v-if="uses.length && dataOf(entry)"><span class="hidden">Run a plugin on this</span>
          <select @change="runOn(entry, $event)">
            <option value="">Run on this…</option>
            <option v-for="(use, index) in uses" :key="use.name" :value="index">{{ use.name }}</option>
          </select>
        </label>
        <ProblemView v-if="entry.kind === 'error'" :error="entry.error" />
        <p v-else-if="entry.kind === 'message'">{{ entry.text }}</p>
        <ValueView v-else :value="described(entry.value)" :name="entry.op || entry.plugin" />
      </article>
    </section>
  `,
});
