import { describe, expect, it } from 'vitest';
import { manualClock } from '../engine/kernel/manual-clock.ts';
import { seededRandom } from '../engine/kernel/random.ts';
import { type Row, StoreUnavailable } from '../engine/ports.ts';
import { memoryStore, type StoreFaults } from '../engine/store-memory.ts';
import { StorePanicked } from './store/lmdb-panic.ts';
import { WatchedRows } from './watched-rows.ts';

const pk = 'P';

function start() {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const changes: string[] = [];
  const faults: string[] = [];
  const decode = (row: Row): string => {
    if (row.value === 'damaged') throw new Error('damaged');
    return row.value;
  };
  const open = (hook?: StoreFaults) =>
    WatchedRows.open(
      { store: store.connect(hook), clock, random: seededRandom(1) },
      {
        pk,
        decode,
        changed: (sk, next, previous) => changes.push(`${sk}: ${previous} -> ${next}`),
        fault: (sk) => faults.push(sk),
      },
    );
  const put = (sk: string, value: string) => store.transact([{ op: 'put', key: { pk, sk }, value }]);
  const remove = (sk: string) => store.transact([{ op: 'delete', key: { pk, sk } }]);
  return { clock, store, changes, faults, open, put, remove };
}

describe('watched rows', () => {
  it('miss nothing that changes while they are first read', async () => {
    const { clock, open, put, remove } = start();
    await put('a', 'one');
    await put('b', 'one');
    const opening = open(({ op }) => (op === 'range' ? { replyDelayMs: 100 } : undefined));
    await clock.advance(50);
    await put('a', 'two');
    await remove('b');
    await put('c', 'one');
    await clock.advance(50);
    const rows = await opening;
    expect([...rows.entries()].map(([sk, { value }]) => [sk, value])).toEqual([
      ['a', 'two'],
      ['c', 'one'],
    ]);
  });

  it('show own writes at once, and the feed does not undo them', async () => {
    const { clock, open, put, remove, changes } = start();
    const rows = await open();
    await put('a', 'one');
    await put('a', 'two');
    rows.put('a', 'two', 2);
    await put('b', 'one');
    rows.put('b', 'one', 1);
    await remove('b');
    rows.remove('b');
    expect(changes).toEqual(['a: undefined -> two', 'b: undefined -> one', 'b: one -> undefined']);
    // The feed delivers all of it only here, oldest first.
    await clock.settle();
    expect(changes).toHaveLength(3);
    expect(rows.get('a')).toEqual({ value: 'two', version: 2 });
    expect(rows.get('b')).toBeUndefined();
  });

  it('apply a reread only to rows that did not change while it ran', async () => {
    const { clock, open, put, remove } = start();
    let lose = false;
    let slow = false;
    const rows = await open(({ op }) => {
      if (op === 'deliver' && lose) throw new StoreUnavailable('lost');
      return op === 'range' && slow ? { replyDelayMs: 500 } : undefined;
    });
    await put('gone', 'x');
    await put('revoked', 'x');
    await clock.settle();
    lose = true;
    slow = true;
    await remove('gone');
    await clock.settle();
    lose = false;
    // The gap arrives, the re-read takes its page and answers 500 ms later.
    await clock.advance(100);
    expect(rows.get('gone')).toBeDefined();
    await remove('revoked');
    rows.remove('revoked');
    await put('made', 'x');
    rows.put('made', 'x', 1);
    await clock.advance(1_000);
    expect([...rows.entries()].map(([sk]) => sk)).toEqual(['made']);
  });

  it('count a damaged row as removed, and report it', async () => {
    const { clock, open, put, changes, faults } = start();
    await put('a', 'one');
    const rows = await open();
    await put('a', 'damaged');
    await clock.settle();
    expect(rows.get('a')).toBeUndefined();
    expect(faults).toEqual(['a']);
    await put('a', 'mended');
    await clock.settle();
    expect(rows.get('a')?.value).toBe('mended');
    expect(changes).toEqual(['a: one -> undefined', 'a: undefined -> mended']);
    await put('b', 'damaged');
    // Nor does it keep the others from a process that starts.
    const later = await open();
    expect(later.get('a')?.value).toBe('mended');
    expect(later.get('b')).toBeUndefined();
    await clock.settle();
    expect(faults).toEqual(['a', 'b', 'b']);
  });

  it('do not read in a tight loop while the store fails, and catch up when it is back', async () => {
    const { clock, open, put } = start();
    let lose = false;
    let isBroken = false;
    let reads = 0;
    const rows = await open(({ op }) => {
      if (op === 'deliver' && lose) throw new StoreUnavailable('lost');
      if (op !== 'range' || !isBroken) return undefined;
      // In a loop that lets nothing else happen this test would never end.
      if (++reads === 100) rows.close();
      throw new StorePanicked('LMDB refuses this process');
    });
    lose = true;
    await put('a', 'one');
    await clock.settle();
    lose = false;
    isBroken = true;
    await clock.advance(1_000);
    expect(reads).toBeGreaterThan(1);
    expect(reads).toBeLessThan(10);
    isBroken = false;
    await clock.advance(1_000);
    expect(rows.get('a')?.value).toBe('one');
  });

  it('read all rows again after every gap, also after one that comes while they are read again', async () => {
    const { clock, open, put } = start();
    let lose = false;
    let slow = false;
    const rows = await open(({ op }) => {
      if (op === 'deliver' && lose) throw new StoreUnavailable('lost');
      return op === 'range' && slow ? { replyDelayMs: 500 } : undefined;
    });
    const putUnseen = async (sk: string): Promise<void> => {
      lose = true;
      await put(sk, 'x');
      await clock.settle();
      lose = false;
    };
    for (const sk of ['a', 'b', 'c']) {
      await putUnseen(sk);
      await clock.advance(1_000);
      expect(rows.get(sk)?.value).toBe('x');
    }
    slow = true;
    await putUnseen('d');
    await clock.advance(200);
    await putUnseen('e');
    await clock.advance(3_000);
    expect(['d', 'e'].map((sk) => rows.get(sk)?.value)).toEqual(['x', 'x']);
  });

  it('receive nothing after close', async () => {
    const { clock, open, put, changes } = start();
    const rows = await open();
    rows.close();
    await put('a', 'one');
    await clock.settle();
    expect(changes).toEqual([]);
  });
});
