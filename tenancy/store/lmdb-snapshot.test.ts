import { mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type MetadataStore, StoreUnavailable } from '../../engine/ports.ts';
import { MovableClock, put } from '../../engine/store-fixture.suite.ts';
import { openLmdbStore } from './lmdb.ts';

const commits = 6;

describe('a lock file that says an earlier commit is the last, as another process that opens the store leaves it', () => {
  let directory: string;
  let store: MetadataStore;
  let told: string[];
  /** Not closed while the store is open, or its locks would be gone. */
  let lockFd: number;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'headgate.snapshot-'));
    told = [];
    store = openLmdbStore({ directory, clock: new MovableClock(), warn: (text) => told.push(text) });
    for (let i = 0; i < commits; i++) await store.transact([put(`k${i}`)]);
    lockFd = openSync(join(directory, 'lock.mdb'), 'r+');
  });
  afterEach(async () => {
    await store.close();
    rmSync(directory, { recursive: true });
  });

  function poke(at: number, change: (old: bigint) => bigint): void {
    const word = Buffer.alloc(8);
    readSync(lockFd, word, 0, 8, at);
    word.writeBigUInt64LE(change(word.readBigUInt64LE()));
    writeSync(lockFd, word, 0, 8, at);
  }

  async function expectRows(names: readonly string[]): Promise<void> {
    const { rows } = await store.range('P');
    expect(rows.map(({ sk, version }) => [sk, version])).toEqual(names.map((sk) => [sk, 1]));
  }

  const written = Array.from({ length: commits }, (_, i) => `k${i}`);

  test.each([1n, 2n, 3n, 5n])('%s commits forgotten: none is lost, and writing continues', async (forgotten) => {
    poke(8, (last) => last - forgotten);
    await store.transact([put('after')]);
    expect(told).toHaveLength(1);
    await store.transact([put('again')]);
    await expectRows(['after', 'again', ...written]);
    await store.close();
    store = openLmdbStore({ directory, clock: new MovableClock() });
    await expectRows(['after', 'again', ...written]);
  });

  test('is repaired by the next process that opens it, before anyone writes', async () => {
    poke(8, (last) => last - 1n);
    await expectRows(written.slice(0, -1));
    const opener = openLmdbStore({ directory, clock: new MovableClock() });
    await expectRows(written);
    await opener.close();
  });

  test('a file that is not a lock file is left unchanged, and the write is refused', async () => {
    poke(8, (last) => last - 1n);
    poke(0, (header) => header ^ 1n);
    await expect(store.transact([put('after')])).rejects.toThrow(StoreUnavailable);
    poke(0, (header) => header ^ 1n);
    await store.transact([put('after')]);
    await expectRows(['after', ...written]);
  });
});
