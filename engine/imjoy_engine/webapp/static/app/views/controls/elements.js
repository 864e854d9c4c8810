// The elements that a view's template names, as what they are.

/**
 * Return the element that a template calls `name`, or undefined where it is not shown. Throws where it is of another type.
 *
 * @template {Element} T
 * @param {Record<string, unknown>} refs
 * @param {string} name
 * @param {new () => T} type
 * @returns {T | undefined}
 */
export function elementOf(refs, name, type) {
  const found = refs[name];
  if (found === undefined || found === null) return undefined;
  if (found instanceof type) return found;
  throw new TypeError(`${name} is no ${type.name}`);
}

/**
 * What a field holds that an event is about; empty for any other element.
 *
 * @param {Event} event
 */
export const textIn = ({ target }) =>
  target instanceof HTMLInputElement || target instanceof HTMLSelectElement ? target.value : "";

/**
 * Empty the field that an event is about, so that the same may be chosen again.
 *
 * @param {Event} event
 */
export function emptyField({ target }) {
  if (target instanceof HTMLInputElement || target instanceof HTMLSelectElement) target.value = "";
}

/**
 * The files that a person has picked.
 *
 * @param {Event} event
 */
export const filesIn = ({ target }) => (target instanceof HTMLInputElement ? [...(target.files || [])] : []);

/**
 * Whether the focus goes out of an element.
 *
 * @param {Element} element
 * @param {FocusEvent} event
 */
export const leaves = (element, { relatedTarget }) =>
  !(relatedTarget instanceof Node) || !element.contains(relatedTarget);
