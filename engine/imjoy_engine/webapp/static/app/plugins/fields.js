// The forms that plugins describe: `ui` text with {id: …, type: …} in it, a list of such, or a JSON schema.

/** @typedef {ReturnType<typeof normalized>} Field */
/** @typedef {{text: string, field?: undefined} | {text?: undefined, field: Field}} Part */
/** @typedef {{text: string, at: number}} Literal what is read, and where the next token is looked for */

/**
 * Return [{text} or {field}] in the order that they stand in; `ui` is what a plugin's config or a dialog has.
 *
 * @param {{ui?: any, fields?: any, schema?: any}} wanted
 * @returns {Part[]}
 */
export function parseFields({ ui, fields, schema } = {}) {
  if (schema && schema.properties) return fromSchema(schema);
  /** @type {Part[]} */
  const parts = [];
  for (const item of [fields, ui].flat()) addParts(parts, item);
  return parts;
}

/**
 * @param {Part[]} parts
 * @param {any} item
 */
function addParts(parts, item) {
  if (item === null || item === undefined || item === "") return;
  if (typeof item === "string") {
    parts.push(...fromText(item));
  } else if (typeof item === "object" && typeof item.text === "string") {
    parts.push({ text: item.text });
  } else if (typeof item === "object" && "id" in item) {
    parts.push({ field: normalized(item) });
  } else if (typeof item === "object") {
    for (const [label, value] of Object.entries(item)) {
      if (typeof value === "string") parts.push(...fromText(`${label}: ${value}`));
      else addParts(parts, { label, ...value });
    }
  }
}

/** @param {string} source */
function fromText(source) {
  /** @type {Part[]} */
  const parts = [];
  const text = source.replace(/<br\s*\/?>/gi, "\n");
  let begin = 0;
  for (let open = text.indexOf("{"); open >= 0; ) {
    const found = readLiteral(text, open);
    const isField = found && typeof found.value === "object" && "id" in found.value;
    if (isField) {
      addText(parts, text.slice(begin, open));
      parts.push({ field: normalized(found.value, takeLabel(parts)) });
      begin = found.end;
    }
    open = text.indexOf("{", isField ? begin : open + 1);
  }
  addText(parts, text.slice(begin));
  return parts;
}

/**
 * @param {Part[]} parts
 * @param {string} text
 */
function addText(parts, text) {
  const plain = withoutTags(text).trim();
  if (plain) parts.push({ text: plain });
}

/**
 * The text right before a field is its label; whole sentences before it stay text.
 *
 * @param {Part[]} parts
 */
function takeLabel(parts) {
  const last = parts[parts.length - 1];
  if (!last || last.text === undefined) return "";
  const lines = last.text.split("\n");
  const label = (lines.pop() || "").trim().replace(/:$/, "");
  if (lines.join("").trim()) last.text = lines.join("\n").trim();
  else parts.pop();
  return label;
}

/** @param {string} text */
export function withoutTags(text) {
  if (!/<[a-z/!]/i.test(text)) return text;
  // A document made this way runs no scripts and loads nothing.
  return new DOMParser().parseFromString(text.replace(/<(br|\/p|\/div|\/li)[^>]*>/gi, "\n"), "text/html").body
    .textContent;
}

/**
 * @param {any} schema
 * @returns {Part[]}
 */
function fromSchema(schema) {
  const required = schema.required || [];
  return Object.entries(schema.properties).map(([id, property]) => ({
    field: normalized(
      {
        id,
        type: property.enum ? "choose" : property.type,
        options: property.enum,
        placeholder: property.default,
        min: property.minimum,
        max: property.maximum,
        help: property.description,
        required: required.includes(id),
      },
      property.title || id,
    ),
  }));
}

/** @type {Record<string, string>} */
const KINDS = { integer: "number", float: "number", boolean: "checkbox", choose: "choose", select: "choose" };

/**
 * @param {any} source
 * @param {string} [label]
 */
function normalized(source, label) {
  let kind = KINDS[source.type] || source.type || "string";
  if (!["number", "checkbox", "choose", "color", "range", "password", "textarea", "file"].includes(kind)) {
    kind = "string";
  }
  const options = (source.options || []).map((/** @type {any} */ option) =>
    typeof option === "object" && option !== null ? option : { label: String(option), value: option },
  );
  let initial = source.value ?? source.default ?? source.placeholder;
  if (kind === "choose") initial = initial ?? options[0]?.value;
  if (kind === "number" || kind === "range") initial = initial === undefined ? 0 : Number(initial);
  if (kind === "checkbox") initial = Boolean(initial);
  return {
    id: String(source.id),
    kind,
    label: source.label || source.title || label || String(source.id),
    help: source.help || source.description || "",
    options,
    min: source.min,
    max: source.max,
    step: source.step ?? (source.type === "integer" ? 1 : "any"),
    required: Boolean(source.required),
    initial: initial ?? "",
  };
}

// --- object literals, as people write them in `ui`: {id: 'sigma', type: "number", min: 0} ------------------------

/** @type {Record<string, string>} */
const ESCAPES = { n: "\n", t: "\t" };
const TOKEN =
  /\s*(?:([{}[\],:])|'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(-?\d+\.?\d*(?:e[+-]?\d+)?)|([A-Za-z_$][\w$]*))/iy;
/** @type {Record<string, boolean | null | undefined>} */
const WORDS = { true: true, false: false, null: null, undefined: undefined };

/**
 * Read the literal at `start`; return {value, end}, or null where there is none. Nothing is ever evaluated.
 *
 * @param {string} text
 * @param {number} start
 * @returns {{value: any, end: number} | null}
 */
export function readLiteral(text, start) {
  const reader = { text, at: start };
  try {
    return { value: readValue(reader), end: reader.at };
  } catch {
    return null;
  }
}

/**
 * @param {Literal} reader
 * @returns {{mark?: string, value?: any, word?: string}}
 */
function next(reader) {
  TOKEN.lastIndex = reader.at;
  const match = TOKEN.exec(reader.text);
  if (!match) throw new SyntaxError(`unexpected text at ${reader.at}`);
  reader.at = TOKEN.lastIndex;
  const [, mark, single, double, number, word] = match;
  if (mark) return { mark };
  if (number !== undefined) return { value: Number(number) };
  if (word !== undefined) return { value: Object.hasOwn(WORDS, word) ? WORDS[word] : word, word };
  return { value: (single ?? double).replace(/\\(.)/g, (/** @type {string} */ all, char) => ESCAPES[char] ?? char) };
}

/**
 * @param {Literal} reader
 * @returns {any}
 */
function readValue(reader) {
  const token = next(reader);
  if (token.mark === "{") return readObject(reader);
  if (token.mark === "[") return readList(reader);
  if (token.mark) throw new SyntaxError(`unexpected ${token.mark}`);
  return token.value;
}

/** @param {Literal} reader */
function readObject(reader) {
  const found = {};
  for (;;) {
    const key = next(reader);
    if (key.mark === "}") return found;
    if (key.mark === ",") continue;
    if (key.mark || next(reader).mark !== ":") throw new SyntaxError("a key needs a value");
    Object.defineProperty(found, key.word ?? String(key.value), {
      value: readValue(reader),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
}

/**
 * @param {Literal} reader
 * @returns {any[]}
 */
function readList(reader) {
  const found = [];
  for (;;) {
    const before = reader.at;
    const token = next(reader);
    if (token.mark === "]") return found;
    if (token.mark === ",") continue;
    reader.at = before;
    found.push(readValue(reader));
  }
}
