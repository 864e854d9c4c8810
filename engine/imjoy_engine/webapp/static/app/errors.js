// Whatever was thrown, as what a person can read: {id, what, why, fix, output}.

/** `what` is the sentence to show when the error itself has none of its own. */
export function readable(error, what) {
  if (error && error.what) {
    return { id: error.id, what: error.what, why: error.why, fix: error.fix, output: error.output };
  }
  const text = String((error && error.message) || error || "No reason was given.").trim();
  const lines = text.split("\n");
  const isTraceback = lines.some((line) => line.startsWith("Traceback ("));
  if (isTraceback) return { id: "plugin.raised", what, why: lines[lines.length - 1].trim(), fix: "", output: text };
  return { id: "app.failed", what, why: text, fix: "", output: "" };
}
