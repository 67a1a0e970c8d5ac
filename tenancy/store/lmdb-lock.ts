/**
 * Who holds the writers' lock, according to LMDB's lock file. The lock is a mutex of the C library in that file. A robust
 * mutex names its owner, so that the system can tell the next one when the owner is dead. A process that is stopped while
 * it holds the lock is not dead, and everybody waits. LMDB itself reports nothing, and a waiting call blocks a thread that
 * cannot ask.
 */
import { openSync, readSync } from 'node:fs';
import { join } from 'node:path';

export interface WriterLockHolder {
  /** The system's number of a thread, which need not be its process's. */
  readonly thread: number;
  /** The last commit when the lock was taken: a different number means a different transaction. */
  readonly commit: bigint;
}

/** `MDB_txninfo` of lmdb 3.5.6: its head and the readers' mutex, then, in a cache line of its own, the writers' mutex. */
const writersAt: Readonly<Partial<Record<NodeJS.Architecture, number>>> = { x64: 64, arm64: 128 };
const magic = 0xbeef_c0de;
const commitAt = 8;
/** `pthread_mutex_t` of glibc: the futex word, a count, the owner. */
const ownerAt = 8;
const ownerBits = 0x3fff_ffff;

export class WriterLock {
  readonly #path: string;
  readonly #bytes: DataView;
  readonly #at = process.platform === 'linux' ? writersAt[process.arch] : undefined;
  /** Never closed: closing any descriptor of this file drops all locks that the process has on it (fcntl(2)). */
  #fd: number | undefined;

  /** `directory`: the store's directory. */
  constructor(directory: string) {
    this.#path = join(directory, 'lock.mdb');
    this.#bytes = new DataView(new ArrayBuffer((this.#at ?? 0) + ownerAt + 4));
  }

  /**
   * Undefined when nobody holds it, or when that cannot be told: there is no file yet, or the system's mutex has another
   * layout. In that case the owner is not named in both places.
   */
  holder(): WriterLockHolder | undefined {
    if (this.#at === undefined) return undefined;
    try {
      this.#fd ??= openSync(this.#path, 'r');
      if (readSync(this.#fd, this.#bytes, 0, this.#bytes.byteLength, 0) < this.#bytes.byteLength) return undefined;
    } catch {
      return undefined;
    }
    const thread = this.#bytes.getUint32(this.#at + ownerAt, true);
    const isNamed = thread !== 0 && (this.#bytes.getUint32(this.#at, true) & ownerBits) === thread;
    if (this.#bytes.getUint32(0, true) !== magic || !isNamed) return undefined;
    return { thread, commit: this.#bytes.getBigUint64(commitAt, true) };
  }
}
