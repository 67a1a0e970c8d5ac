/**
 * Tells whoever works for somebody that the result is not wanted any more. Each long poll has one. It is a flag and a list:
 * an AbortController with one listener takes 7 us (Node 20), a tenth of a long poll over HTTP, most of it garbage collection.
 */
export class Cancellation {
  #isCancelled = false;
  #listeners: (() => void)[] = none;

  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  /** Calls every listener, at the first call only. They must not throw. */
  cancel(): void {
    if (this.#isCancelled) return;
    this.#isCancelled = true;
    const listeners = this.#listeners;
    this.#listeners = none;
    for (const listener of listeners) listener();
  }

  /** Has no effect once it is cancelled: ask `isCancelled` first. */
  onCancel(listener: () => void): void {
    if (this.#isCancelled) return;
    if (this.#listeners === none) this.#listeners = [listener];
    else this.#listeners.push(listener);
  }

  /** The listener is not called any more, except when all of them are being called now. */
  forget(listener: () => void): void {
    const at = this.#listeners.indexOf(listener);
    if (at >= 0) this.#listeners.splice(at, 1);
  }
}

/** Shared by those without listeners, and never changed. */
const none: (() => void)[] = [];
