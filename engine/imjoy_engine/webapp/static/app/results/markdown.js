// The Markdown that plugins describe themselves in, read as data: nothing of it is ever taken for HTML.

/**
 * @typedef {{kind: "text" | "code", text: string} | {kind: "break"} | {kind: "strong" | "emphasis", inline: Inline[]}
 *   | {kind: "link", href: string, inline: Inline[]}} Inline
 * @typedef {{kind: "heading", level: number, inline: Inline[]} | {kind: "paragraph", inline: Inline[]} | {kind: "rule"}
 *   | {kind: "code", text: string} | {kind: "quote", blocks: Block[]}
 *   | {kind: "list", isOrdered: boolean, start: number, items: Block[][]}} Block
 */

/** Deeper than that nobody reads; and who nests without end shall not overflow the stack. */
const DEEPEST = 8;
/** Nor more characters than that; and the page shall stay quick whatever a file says of itself. */
const LONGEST = 500_000;
const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*))?$/;
const RULE = /^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])([ \t]+)(?=\S)/;
// What has an end is looked for within a bound: a file can begin as much as it likes, and end nothing.
const INLINE = new RegExp(
  [
    /\\(?<escaped>[!-/:-@[-`{-~])/,
    /(?<!`)(?<ticks>`{1,4})(?!`)(?<code>[^`](?:.{0,2000}?[^`])?)\k<ticks>(?!`)/,
    /!?\[(?<label>[^[\]]{0,500})\]\(\s{0,9}<?(?<target>[^\s()<>]{1,2000})>?(?:\s{1,9}"[^"]{0,500}")?\s{0,9}\)/,
    /<(?<bracketed>https?:\/\/[^\s<>]{1,2000})>/,
    /(?<![\w/])(?<bare>https?:\/\/[^\s<>()`]{0,2000}[^\s<>()`.,;:!?'"*_])/,
    /(?<stars>\*\*|__)(?=\S)(?<strong>.{0,500}?\S)\k<stars>(?!\*)/,
    /\*(?=[^\s*])(?<starred>.{0,500}?[^\s*])\*(?!\*)/,
    /(?<!\w)_(?=[^\s_])(?<underscored>.{0,500}?[^\s_])_(?!\w)/,
    /(?<break>(?: {2,}|\\)\n)/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "gs",
);

/**
 * Read Markdown: headings, paragraphs, lists, quotes, code, rules; in a line links to http and https, code, emphasis. A
 * picture is a link to it, as the page shows nothing from elsewhere; HTML stays the text that it is.
 *
 * @param {string} text
 * @param {number} [above] the level of the heading that it stands under; its own follow without a gap
 * @returns {Block[]}
 */
export function readMarkdown(text, above = 2) {
  const read = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
  return blocksOf(withoutMargin(read.replace(/\r\n?/g, "\n").split("\n")), { above, last: above }, 0);
}

/**
 * What a plugin's file says in its `<docs>`, without what the templates of ImJoy left there to be written.
 *
 * @param {string} code
 */
export function docsOf(code) {
  const before = code.slice(0, Math.max(0, code.indexOf("</docs>")));
  const [, docs = ""] = /<docs\b[^>]{0,500}>([^]*)/.exec(before) || [];
  return docs
    .replace(/\[TODO:[^\]]{0,500}\]/g, "")
    .replace(/^\s*\n/, "")
    .trimEnd();
}

/** @param {string[]} lines */
function withoutMargin(lines) {
  const margin = lines.reduce((least, line) => (line.trim() ? Math.min(least, line.search(/\S/)) : least), Infinity);
  return Number.isFinite(margin) ? lines.map((line) => line.slice(margin)) : lines;
}

/**
 * @param {string[]} lines
 * @param {{above: number, last: number}} headings
 * @param {number} depth
 * @returns {Block[]}
 */
function blocksOf(lines, headings, depth) {
  /** @type {Block[]} */
  const blocks = [];
  let at = 0;
  /** @param {(line: string) => boolean} belongs */
  const takeWhile = (belongs) => {
    const begin = at;
    while (at < lines.length && belongs(lines[at])) at++;
    return lines.slice(begin, at);
  };
  while (at < lines.length) {
    const line = lines[at];
    const fence = FENCE.exec(line);
    const heading = HEADING.exec(line);
    const item = depth < DEEPEST && ITEM.exec(line);
    if (!line.trim()) {
      at++;
    } else if (fence) {
      at++;
      const end = (/** @type {string} */ each) =>
        each.trim().startsWith(fence[1]) && !each.trim().replaceAll(fence[1][0], "");
      const code = takeWhile((each) => !end(each));
      at++;
      blocks.push({ kind: "code", text: code.join("\n") });
    } else if (heading) {
      at++;
      headings.last = Math.min(6, heading[1].length + headings.above, headings.last + 1);
      const title = (heading[2] || "").replace(/(?:^|[ \t])#+[ \t]*$/, "");
      blocks.push({ kind: "heading", level: headings.last, inline: inlineOf(title.trim()) });
    } else if (RULE.test(line)) {
      at++;
      blocks.push({ kind: "rule" });
    } else if (depth < DEEPEST && QUOTE.test(line)) {
      const quoted = takeWhile((each) => QUOTE.test(each)).map((each) => each.replace(QUOTE, ""));
      blocks.push({ kind: "quote", blocks: blocksOf(quoted, headings, depth + 1) });
    } else if (item) {
      blocks.push(listOf(item));
    } else {
      const first = lines[at++];
      const more = takeWhile((each) => Boolean(each.trim()) && !beginsAnother(each));
      const paragraph = [first, ...more].map((each) => each.trimStart()).join("\n");
      blocks.push({ kind: "paragraph", inline: inlineOf(paragraph.trimEnd()) });
    }
  }
  return blocks;

  /** @param {RegExpExecArray} first */
  function listOf(first) {
    const isOrdered = /\d/.test(first[2]);
    /** @type {Block[][]} */
    const items = [];
    for (let item = first; item; ) {
      const inner = item[0].length;
      const belongs = (/** @type {string} */ each) =>
        !each.trim() || each.search(/\S/) >= Math.min(inner, item[1].length + 2);
      const begin = lines[at++].slice(inner);
      // A line that goes on without a margin is still of its paragraph.
      const lazy = takeWhile((each) => Boolean(each.trim()) && !belongs(each) && !beginsAnother(each));
      const rest = takeWhile(belongs).map((each) => each.slice(Math.min(inner, Math.max(0, each.search(/\S/)))));
      items.push(blocksOf([begin, ...lazy, ...rest], headings, depth + 1));
      const next = at < lines.length && !RULE.test(lines[at]) ? ITEM.exec(lines[at]) : null;
      if (!next || /\d/.test(next[2]) !== isOrdered) break;
      item = next;
    }
    return /** @type {Block} */ ({ kind: "list", isOrdered, start: isOrdered ? parseInt(first[2], 10) : 1, items });
  }
}

/** @param {string} line */
const beginsAnother = (line) => [FENCE, HEADING, RULE, QUOTE, ITEM].some((pattern) => pattern.test(line));

/**
 * @param {string} text
 * @param {number} [depth]
 * @returns {Inline[]}
 */
function inlineOf(text, depth = 0) {
  /** @type {Inline[]} */
  const parts = [];
  const add = (/** @type {string} */ piece) => {
    const last = parts.at(-1);
    const line = piece.replaceAll("\n", " ");
    if (last?.kind === "text") last.text += line;
    else if (line) parts.push({ kind: "text", text: line });
  };
  let end = 0;
  for (const match of depth < DEEPEST ? text.matchAll(INLINE) : []) {
    add(text.slice(end, match.index));
    end = match.index + match[0].length;
    const found = /** @type {Record<string, string | undefined>} */ (match.groups);
    const emphasis = found.starred ?? found.underscored;
    const url = found.bracketed ?? found.bare;
    if (found.escaped !== undefined) add(found.escaped);
    else if (found.code !== undefined) parts.push({ kind: "code", text: found.code.replaceAll("\n", " ").trim() });
    else if (found.break !== undefined) parts.push({ kind: "break" });
    else if (found.strong !== undefined) parts.push({ kind: "strong", inline: inlineOf(found.strong, depth + 1) });
    else if (emphasis !== undefined) parts.push({ kind: "emphasis", inline: inlineOf(emphasis, depth + 1) });
    else if (url !== undefined) parts.push({ kind: "link", href: url, inline: [{ kind: "text", text: url }] });
    else if (/^https?:\/\//i.test(found.target || "")) {
      const { label = "", target = "" } = found;
      // Its words may hold no link of their own.
      const words = inlineOf(label || target, depth + 1).map((each) => (each.kind === "link" ? each.inline[0] : each));
      parts.push({ kind: "link", href: target, inline: words });
    } else add(found.label || "");
  }
  add(text.slice(end));
  return parts;
}
