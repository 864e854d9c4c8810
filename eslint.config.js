// What eslint says of the page: its recommended rules, with what each folder finds in a browser.

import js from "@eslint/js";
import globals from "globals";

const STATIC = "engine/imjoy_engine/webapp/static";
const LIBRARIES = { Vue: "readonly", imjoyCore: "readonly", imjoyRPC: "readonly", MessagePack: "readonly" };

export default [
  { ignores: ["*/", "!engine/", "!tests/"] },
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "no-unused-vars": ["error", { ignoreRestSiblings: true }],
      "no-var": "error",
      "prefer-const": "error",
    },
  },
  {
    files: [`${STATIC}/**/*.js`],
    languageOptions: { globals: { ...globals.browser, ...LIBRARIES } },
  },
  {
    files: [`${STATIC}/*.js`],
    ignores: [`${STATIC}/connect.js`],
    languageOptions: { sourceType: "script", globals: { api: "readonly", ImJoyEngine: "readonly" } },
  },
  { files: ["tests/**/*.js"], languageOptions: { globals: globals.node } },
];
