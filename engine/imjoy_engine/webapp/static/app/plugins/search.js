// Searching among what the page lists.

/**
 * The entries whose text, as `textOf` gives it, has every word that is wanted, in any order.
 *
 * @template T
 * @param {string} wanted
 * @param {T[]} entries
 * @param {(entry: T) => string} textOf
 * @returns {T[]}
 */
export function matching(wanted, entries, textOf) {
  const words = wanted.toLowerCase().split(/\s+/);
  return entries.filter((entry) => {
    const text = textOf(entry).toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
