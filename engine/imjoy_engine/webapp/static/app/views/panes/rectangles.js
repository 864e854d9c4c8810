// Rectangles, in parts of a whole, as styles: the style sheet makes places of these variables, or stacks them where it is narrow.

/** @param {number} part */
const percent = (part) => `${(100 * part).toFixed(4)}%`;

/**
 * The style that places a rectangle; stacked, the rectangles come in their order.
 *
 * @param {import("../../layout/layout.js").Rectangle} rectangle
 * @param {number} order
 */
export const rectangleStyle = ({ x, y, width, height }, order) => ({
  "--x": percent(x),
  "--y": percent(y),
  "--width": percent(width),
  "--height": percent(height),
  "--order": order,
});
