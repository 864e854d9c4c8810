// Waiting.

/** @param {number} milliseconds */
export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * A signal that aborts after so many milliseconds (AbortSignal.timeout came with Safari 16).
 *
 * @param {number} milliseconds
 */
export function timeout(milliseconds) {
  if (AbortSignal.timeout) return AbortSignal.timeout(milliseconds);
  const controller = new AbortController();
  setTimeout(() => controller.abort(new DOMException("The operation timed out.", "TimeoutError")), milliseconds);
  return controller.signal;
}
