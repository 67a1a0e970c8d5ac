/**
 * For code that runs the system on its own clock: after each of its events, everything that is ready has to run before the
 * next one. A promise and an immediate for each event would cost more than most events.
 */

/** Runs `work` in a macrotask of its own, when every microtask that is ready has run. */
export function inMacrotask<T>(work: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(work());
      } catch (error) {
        reject(error as Error);
      }
    });
  });
}

/**
 * What Node does between two macrotasks: runs every microtask, also those that they queue, and reports unhandled rejections.
 * It is no documented part of Node, but on `process` in every version so far, under this name.
 */
const { _tickCallback: runBetween } = process as unknown as { readonly _tickCallback: () => void };

/** To be called in a macrotask: inside a microtask it does nothing. Everything that is ready has run when it returns. */
export function runReady(): void {
  runBetween();
}
