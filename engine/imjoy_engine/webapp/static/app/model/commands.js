// Sentences that name commands of imjoy, for a machine where it may not be on PATH.

const MENTION =
  /(?<![\w./\\~-])imjoy(?= (?:--?[a-z]|(?:completion|desktop|doctor|env|help|install|lock|logs|new|open|path|plugins|restart|run|start|status|stop|token|uninstall|upgrade|version)\b))/g;

/**
 * `text` with each command of imjoy in it as it is typed where the engine was started: `command` for its first word.
 *
 * @param {string} text
 * @param {string} command
 */
export const asTyped = (text, command) => (command === "imjoy" ? text : text.replace(MENTION, () => command));

/**
 * The parts of a sentence, [{text, isCode}]: what stands between backticks is code.
 *
 * @param {string} text
 */
export function partsOf(text) {
  const pieces = text.split("`");
  // A backtick without its other half is one.
  if (pieces.length % 2 === 0) pieces.splice(-2, 2, pieces.slice(-2).join("`"));
  return pieces.map((piece, index) => ({ text: piece, isCode: index % 2 === 1 })).filter((part) => part.text);
}
