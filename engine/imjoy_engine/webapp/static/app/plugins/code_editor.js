// The editor of plugin files: CodeMirror, loaded when the first file is opened.

import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import {
  bracketMatching,
  HighlightStyle,
  indentService,
  indentUnit,
  Language,
  defineLanguageFacet,
  syntaxHighlighting,
} from "@codemirror/language";
import { EditorState } from "@codemirror/state";
import { drawSelection, EditorView, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { configureNesting, parser as html } from "@lezer/html";
import { parser as python } from "@lezer/python";

/** @param {Record<string, string>} attributes of a script element */
const isPython = ({ lang }) => lang === "python";
const pluginFile = new Language(
  defineLanguageFacet(),
  html.configure({ wrap: configureNesting([{ tag: "script", attrs: isPython, parser: python }]) }),
  [],
  "plugin",
);

/** A new line is indented as the one before it, and by one step more where that opens something. */
const indentation = indentService.of((context, position) => {
  const opens = /[:([{]\s*$/.test(context.lineAt(position, -1).text);
  return context.lineIndent(position, -1) + (opens ? context.unit : 0);
});

/** Each colour is a variable of the page's style sheet. */
const highlighting = HighlightStyle.define([
  { tag: [tags.keyword, tags.tagName, tags.operatorKeyword], color: "var(--code-keyword)" },
  { tag: [tags.string, tags.attributeValue], color: "var(--code-string)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--code-number)" },
  { tag: [tags.comment], color: "var(--muted)", fontStyle: "italic" },
  { tag: [tags.definition(tags.variableName), tags.className, tags.attributeName], color: "var(--code-name)" },
]);

const theme = EditorView.theme({
  "&": { height: "100%", color: "var(--text)", backgroundColor: "var(--sunken)", fontSize: "0.88rem" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "-2px" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.5" },
  ".cm-gutters": { color: "var(--muted)", backgroundColor: "var(--sunken)", borderRight: "1px solid var(--line)" },
  ".cm-content": { caretColor: "var(--text)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    background: "color-mix(in srgb, var(--accent) 30%, transparent)",
  },
});

/**
 * Show `text` in `place` to be edited; `changed` is called with each change, and the functions of `keys` for their keys.
 *
 * @param {HTMLElement} place
 * @param {{text: string, label: string, changed: (text: string) => void, keys: import("@codemirror/view").KeyBinding[]}} options
 * @returns {Code}
 */
export function openCode(place, { text, label, changed, keys }) {
  // The page's policy lets no style element be made. In a tree of its own the editor's are sheets without one.
  const root = place.attachShadow({ mode: "open" });
  const parent = document.createElement("div");
  parent.style.height = "100%";
  root.append(parent);
  const view = new EditorView({
    root,
    parent,
    state: EditorState.create({
      doc: text,
      extensions: [
        lineNumbers(),
        history(),
        drawSelection(),
        bracketMatching(),
        pluginFile,
        indentation,
        indentUnit.of("    "),
        syntaxHighlighting(highlighting),
        theme,
        keymap.of([...keys, ...defaultKeymap, ...historyKeymap, indentWithTab]),
        EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" }),
        EditorView.updateListener.of((update) => update.docChanged && changed(update.state.doc.toString())),
      ],
    }),
  });
  return {
    replace: (wanted) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: wanted } }),
    focus: () => view.focus(),
    close: () => view.destroy(),
  };
}
