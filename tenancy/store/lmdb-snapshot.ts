/**
 * Keeps every writer on the newest snapshot of the store's file, which LMDB alone does not guarantee.
 *
 * LMDB stores the number of the last commit twice: in the file's two meta pages, and in its lock file, where writers look
 * it up. A process that opens the environment copies the first over the second (`mdb_env_open2` in lmdb 3.5.6), from a
 * header that it read some 50 microseconds earlier, and without the writers' lock:
 *
 *   opener: reads in the header that commit 7 is the last
 *   writer: commits 8, and the lock file says 8
 *   opener: puts 7 into the lock file
 *   writer: begins from snapshot 7, and puts its own commit 8 over the one that was acknowledged
 *
 * The acknowledged commit is then lost; if two are forgotten, pages are reused that are still in use. Each broker that
 * starts is such an opener. So a writer compares the two numbers before it does anything. It then holds the writers' lock,
 * and meta pages are written only under that lock. So they are right, and the lock file is corrected from them.
 */
import { openSync, readSync, writeSync } from 'node:fs';
import type { RootDatabase } from 'lmdb';

/** The transaction began from an old snapshot. The lock file is corrected: when started again, it will begin from the newest. */
export class OldSnapshot extends Error {}

/** A further attempt is needed only when another process opens the store at that very moment. */
export const snapshotAttemptsMax = 100;

/** `MDB_txbody` of LMDB: magic and format, four bytes each, then the number of the last commit. */
const magic = 0xbeef_c0de;
const lastCommitAt = 8;
const headerBytes = 16;

export class SnapshotGuard {
  readonly #db: RootDatabase<Buffer, Buffer>;
  readonly #lockPath: string;
  /** Never closed: closing any descriptor of this file drops all locks that the process has on it (fcntl(2)). */
  #lockFd: number | undefined;

  constructor(db: RootDatabase<Buffer, Buffer>, lockPath: string) {
    this.#db = db;
    this.#lockPath = lockPath;
  }

  /**
   * Call it after this process has opened the store and before it writes: it takes the lock of all writers on the calling
   * thread. Until somebody has held that lock, readers of all processes are on the old snapshot too.
   */
  makeNewest(): void {
    for (let attempt = 1; ; attempt++) {
      try {
        return this.#db.transactionSync(() => this.assertNewest());
      } catch (error) {
        if (!(error instanceof OldSnapshot) || attempt === snapshotAttemptsMax) throw error;
      }
    }
  }

  /** Inside a write transaction, before it reads. Throws OldSnapshot, or another error when nothing could be corrected. */
  assertNewest(): void {
    const began = this.#db.getWriteTxnId() - 1;
    const { lastTxnId } = this.#db.getStats() as { lastTxnId: number };
    if (began === lastTxnId) return;
    this.#mend(BigInt(began), BigInt(lastTxnId));
    throw new OldSnapshot(`began from commit ${began} where ${lastTxnId} is the last`);
  }

  #mend(began: bigint, lastCommit: bigint): void {
    this.#lockFd ??= openSync(this.#lockPath, 'r+');
    const header = new DataView(new ArrayBuffer(headerBytes));
    readSync(this.#lockFd, header, 0, headerBytes, 0);
    const found = header.getBigUint64(lastCommitAt, true);
    // Another opener may have come since. The number it put there is just as old, and the next attempt handles it in the
    // same way.
    if (header.getUint32(0, true) !== magic || found > lastCommit) {
      throw new Error(
        `the lock file says commit ${found}, the transaction began from ${began}, the last is ${lastCommit}`,
      );
    }
    header.setBigUint64(lastCommitAt, lastCommit, true);
    writeSync(this.#lockFd, header, lastCommitAt, headerBytes - lastCommitAt, lastCommitAt);
  }
}
