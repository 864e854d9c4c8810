// Boxes, in parts of a whole, as styles: the style sheet makes places of these variables, or stacks them where it is narrow.

const percent = (part) => `${(100 * part).toFixed(4)}%`;

export const boxStyle = ({ x, y, width, height }, order) => ({
  "--x": percent(x),
  "--y": percent(y),
  "--width": percent(width),
  "--height": percent(height),
  "--order": order,
});
