// What goes wrong between a page and an engine, in words for a person.

/** An error that a person can read: what happened, why, what to do, under a stable id. */
export class EngineError extends Error {
  /** @param {Problem} problem */
  constructor({ id, what, why, fix, output }) {
    super([what, why, fix].filter(Boolean).join("\n"));
    this.name = "EngineError";
    this.id = id;
    this.what = what;
    this.why = why || "";
    this.fix = fix || "";
    this.output = output || "";
    /** The HTTP status with which the engine refused, where it did. @type {number | undefined} */
    this.status = undefined;
  }
}

/** The error that a page is told once the token that it has is good no more. */
export function tokenReplaced() {
  const error = new EngineError({
    id: "auth.token",
    what: "The connection token was replaced.",
    why: "The engine no longer accepts the old one.",
    fix: "Copy the new token; this prints it: imjoy token",
  });
  return Object.assign(error, { status: 401 });
}

/**
 * The error that an answer other than success stands for.
 *
 * @param {Response} response
 */
export async function refusal(response) {
  let error = null;
  try {
    error = (await response.json()).error;
  } catch {
    // A proxy in between answers with a page of its own.
  }
  const refused = new EngineError(
    error || {
      id: response.status === 401 ? "auth.token" : "engine.unreachable",
      what: response.status === 401 ? "The token was not accepted." : "The engine refused.",
      why: `It answered ${response.status} ${response.statusText}.`,
      fix: response.status === 401 ? "Copy the token again; this prints it: imjoy token" : "",
    },
  );
  return Object.assign(refused, { status: response.status });
}

/**
 * The message of whatever was thrown.
 *
 * @param {unknown} error
 */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/**
 * The id of whatever was thrown; empty where it has none.
 *
 * @param {unknown} error
 */
export const idOf = (error) =>
  typeof error === "object" && error && "id" in error && typeof error.id === "string" ? error.id : "";
