/**
 * Who has the lock of all writers, as LMDB's lock file says: it lies there as a mutex of the C library, and a robust one names
 * its owner, so that the system can tell the next one when that owner is dead. Whoever is stopped with it in its hand is
 * not dead, and everybody waits. LMDB itself says nothing of it, and a call that waits is on no thread that could ask.
 */
import { openSync, readSync } from 'node:fs';
import { join } from 'node:path';

export interface WriterLockHolder {
  /** Of the system: a thread's number, which need not be its process's. */
  readonly thread: number;
  /** The last commit as it took the lock: another number is another transaction. */
  readonly commit: bigint;
}

/** `MDB_txninfo` of lmdb 3.5.6: its head and the mutex of readers, then, in a cache line of its own, that of writers. */
const writersAt: Readonly<Partial<Record<NodeJS.Architecture, number>>> = { x64: 64, arm64: 128 };
const magic = 0xbeef_c0de;
const commitAt = 8;
/** `pthread_mutex_t` of glibc: the word of the futex, a count, the owner. */
const ownerAt = 8;
const ownerBits = 0x3fff_ffff;

export class WriterLock {
  readonly #path: string;
  readonly #bytes: DataView;
  readonly #at = process.platform === 'linux' ? writersAt[process.arch] : undefined;
  /** Never closed: to close any descriptor of this file drops all locks that the process has on it (fcntl(2)). */
  #fd: number | undefined;

  /** `directory`: of the store. */
  constructor(directory: string) {
    this.#path = join(directory, 'lock.mdb');
    this.#bytes = new DataView(new ArrayBuffer((this.#at ?? 0) + ownerAt + 4));
  }

  /**
   * Undefined when nobody has it, and where this cannot be told: no file yet, or a system whose mutex looks otherwise. There
   * the owner is not named twice.
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
