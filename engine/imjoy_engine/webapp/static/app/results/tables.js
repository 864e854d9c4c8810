// A list of records as a table: its columns, sorted, and as CSV.

const MAX_COLUMNS = 64;

/** @typedef {any} Cell text, a number, true or false, or null for what is missing */
/** @typedef {{columns: string[], rows: Cell[][]}} Table */

/** @param {unknown} value */
const isCell = (value) =>
  value === null || value === undefined || ["string", "number", "boolean", "bigint"].includes(typeof value);

/**
 * Return {columns, rows} of a list of records that hold nothing but text and numbers, else null.
 *
 * @param {any} value
 * @returns {Table | null}
 */
export function tableOf(value) {
  if (!Array.isArray(value) || !value.length) return null;
  const columns = new Set();
  for (const record of value) {
    if (!record || record.constructor !== Object) return null;
    for (const name of Object.keys(record)) {
      if (name.startsWith("_") || !isCell(record[name])) return null;
      columns.add(name);
    }
  }
  if (!columns.size || columns.size > MAX_COLUMNS) return null;
  const names = [...columns];
  return { columns: names, rows: value.map((record) => names.map((name) => record[name] ?? null)) };
}

/**
 * The rows in the order of a column: numbers by size, text as people sort it, what is missing last.
 *
 * @param {Cell[][]} rows
 * @param {number} column
 * @param {boolean} isDown
 */
export function sorted(rows, column, isDown) {
  const sign = isDown ? -1 : 1;
  const collator = new Intl.Collator(undefined, { numeric: true });
  /** @param {Cell} value */
  const isMissing = (value) => value === null || Number.isNaN(value);
  return [...rows].sort((one, other) => {
    const [a, b] = [one[column], other[column]];
    if (isMissing(a) || isMissing(b)) return Number(isMissing(a)) - Number(isMissing(b));
    if (typeof a !== "string" && typeof b !== "string") return sign * (a < b ? -1 : a > b ? 1 : 0);
    return sign * collator.compare(String(a), String(b));
  });
}

/**
 * RFC 4180; a text that a spreadsheet would take for a formula stays as it is.
 *
 * @param {Table} table
 */
export function toCsv({ columns, rows }) {
  /** @param {Cell} value */
  const cell = (value) => {
    const text = value === null ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}
