// Records as a table, sorted by a press on a column's name, and saved as CSV.

import { saveFile } from "../../results/save_file.js";
import { sorted, toCsv } from "../../results/tables.js";

const MAX_ROWS = 500;

export const TableView = Vue.defineComponent({
  props: {
    table: { type: /** @type {PropType<import("../../results/tables.js").Table>} */ (Object), required: true },
    name: String,
  },
  data: () => ({ column: -1, isDown: false }),
  computed: {
    rows() {
      return this.column < 0 ? this.table.rows : sorted(this.table.rows, this.column, this.isDown);
    },
    shown() {
      return this.rows.slice(0, MAX_ROWS);
    },
  },
  methods: {
    /** @param {number} column */
    sortBy(column) {
      this.isDown = this.column === column && !this.isDown;
      this.column = column;
    },
    /** @param {number} column */
    order(column) {
      return this.column !== column ? "none" : this.isDown ? "descending" : "ascending";
    },
    text: (/** @type {import("../../results/tables.js").Cell} */ value) =>
      typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(6))) : value,
    save() {
      const content = toCsv({ columns: this.table.columns, rows: this.rows });
      saveFile(new Blob([content], { type: "text/csv" }), `${this.name || "table"}.csv`);
    },
  },
  template: `
    <figure class="value table">
      <figcaption>{{ table.rows.length }} × {{ table.columns.length }}
        <button type="button" class="plain" @click="save">Save as CSV</button></figcaption>
      <div class="scrolls" tabindex="0" role="region" aria-label="Table">
        <table>
          <thead><tr><th v-for="(column, index) in table.columns" :key="column" scope="col" :aria-sort="order(index)">
            <button type="button" class="plain" @click="sortBy(index)">{{ column }}<span aria-hidden="true">{{
              order(index) === "none" ? "" : isDown ? " ▾" : " ▴" }}</span></button></th></tr></thead>
          <tbody><tr v-for="(row, number) in shown" :key="number"><td v-for="(value, index) in row" :key="index"
            :class="{ number: typeof value === 'number' }">{{ text(value) }}</td></tr></tbody>
        </table>
      </div>
      <p class="quiet" v-if="rows.length > shown.length">The first {{ shown.length }} rows; the CSV has all.</p>
    </figure>
  `,
});
