/**
 * What LMDB says to a process that can use the store no more (MDB_PANIC): it could not write the page that makes a commit visible,
 * and refuses every transaction from then on, reads as well, until the process has ended. The file is whole, and other processes
 * go on. lmdb-js never answers a write that is refused so, and a commit that fails so may leave it a corrupt heap: whoever waits for a
 * write is let go, and the process should end at once.
 */
import { Failure } from '../../engine/kernel/failure.ts';

/** As StoreUnavailable, but that waiting and asking again is in vain. */
export class StorePanicked extends Failure {
  readonly code = 'store-unavailable';
}

export class Panic {
  #failure: StorePanicked | undefined;
  readonly #listeners: ((failure: StorePanicked) => void)[] = [];

  /** Set for good. */
  get failure(): StorePanicked | undefined {
    return this.#failure;
  }

  /** Called once: at once, when it has happened already. */
  on(listener: (failure: StorePanicked) => void): void {
    if (this.#failure) listener(this.#failure);
    else this.#listeners.push(listener);
  }

  /** Of a failed read or write. */
  note(error: unknown): void {
    if (this.#failure || !isPanic(error)) return;
    this.#failure = new StorePanicked('the metadata store: LMDB refuses this process until it has ended (MDB_PANIC)');
    for (const listener of this.#listeners) listener(this.#failure);
  }
}

/** Its number is told of writes alone. */
function isPanic(error: unknown): boolean {
  return error instanceof Error && error.message.includes('MDB_PANIC');
}
