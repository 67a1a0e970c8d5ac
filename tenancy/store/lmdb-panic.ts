/**
 * LMDB's report that a process can no longer use the store (MDB_PANIC). It could not write the page that makes a commit
 * visible, and from then on refuses every transaction, reads included, until the process ends. The file is intact, and
 * other processes go on. lmdb-js never answers a write that is refused this way, and a commit that fails this way may leave
 * it with a corrupt heap. So callers that wait for a write are released, and the process should end at once.
 */
import { Failure } from '../../engine/kernel/failure.ts';

/** Like StoreUnavailable, but waiting and retrying is in vain. */
export class StorePanicked extends Failure {
  readonly code = 'store-unavailable';
}

export class Panic {
  #failure: StorePanicked | undefined;
  readonly #listeners: ((failure: StorePanicked) => void)[] = [];

  /** Once set, it stays set. */
  get failure(): StorePanicked | undefined {
    return this.#failure;
  }

  /** The listener is called once; at once when it has already happened. */
  on(listener: (failure: StorePanicked) => void): void {
    if (this.#failure) listener(this.#failure);
    else this.#listeners.push(listener);
  }

  /** Takes the error of a failed read or write. */
  note(error: unknown): void {
    if (this.#failure || !(isPanic(error) || isDamage(error))) return;
    this.#failure = new StorePanicked(`the metadata store: ${isPanic(error) ? refused : damaged}`);
    for (const listener of this.#listeners) listener(this.#failure);
  }
}

const refused = 'LMDB refuses this process until it has ended (MDB_PANIC)';
const damaged = 'data.mdb is damaged: restore it from a backup';

/**
 * A page that is none. The transaction that met it is of no use any more, and every read of the process shares one. The
 * next start finds the page and names it (lmdb-pages.ts).
 */
function isDamage(error: unknown): boolean {
  return error instanceof Error && /^MDB_(?:CORRUPTED|PAGE_NOTFOUND)/.test(error.message);
}

/** Only writes report its number. */
function isPanic(error: unknown): boolean {
  return error instanceof Error && error.message.includes('MDB_PANIC');
}
