import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../engine/kernel/clock.ts';
import type { StoreOp } from '../../engine/ports.ts';
import { openLmdbStore } from './lmdb.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'headgate-panic-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const synchronous = 0o10000;

/** Puts a disk that takes nothing under the descriptor by which LMDB writes the page that makes a commit visible. */
function breakCommits(): void {
  for (const name of readdirSync('/proc/self/fd')) {
    const fd = Number(name);
    if (!isMetaPage(fd)) continue;
    closeSync(fd);
    const others: number[] = [];
    for (let opened = openSync('/dev/full', 'r+'); opened !== fd; opened = openSync('/dev/full', 'r+'))
      others.push(opened);
    for (const other of others) closeSync(other);
  }
}

function isMetaPage(fd: number): boolean {
  try {
    if (readlinkSync(`/proc/self/fd/${fd}`) !== join(directory, 'data.mdb')) return false;
    const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'));
    return (Number.parseInt(flags![1]!, 8) & synchronous) !== 0;
  } catch {
    return false;
  }
}

it('reports that the process cannot use the store any more, and releases waiting callers', async () => {
  const told: string[] = [];
  const store = openLmdbStore({ directory, clock: systemClock });
  const key = { pk: 'p', sk: 's' };
  const put: StoreOp = { op: 'put', key, value: 'v' };
  store.onPanic((reason) => told.push(reason));
  await store.transact([put]);
  breakCommits();
  const first = store.transact([put]);
  // LMDB-js would never answer it.
  const second = first.catch(() => store.transact([put]));
  await expect(first).rejects.toMatchObject({ code: 'store-ambiguous' });
  await expect(second).rejects.toMatchObject({ code: 'store-unavailable' });
  await expect(store.get(key)).rejects.toMatchObject({ code: 'store-unavailable' });
  const reason = 'the metadata store: LMDB refuses this process until it has ended (MDB_PANIC)';
  expect(told).toEqual([reason]);
  expect(store.trouble()).toBe(reason);
  store.onPanic((again) => told.push(again));
  expect(told).toEqual([reason, reason]);
  await store.close();
});
