/** Bits that change in LMDB's file where its rows have no checksum of their own: in keys, versions and its counters. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Row, type RowChange, StoreConflict } from '../../engine/ports.ts';
import { MovableClock, put } from '../../engine/store-fixture.suite.ts';
import { rowText } from '../../engine/store-row-checksum.ts';
import { type LmdbStore, openLmdbStore } from './lmdb.ts';
import { encodeState, rowKeyBytes, stateKey } from './lmdb-format.ts';

const values = Array.from({ length: 9 }, (_, i) => rowText({ number: i }));
const sk = (i: number): string => `row-${i}`;

describe('changed bytes in the file of the metadata store', () => {
  let directory: string;
  let whole: Buffer;
  let copies = 0;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'headgate.damage-'));
    const store = openLmdbStore({ directory: join(directory, 'whole'), clock: new MovableClock() });
    for (const [i, value] of values.entries()) await store.transact([put(sk(i), value)]);
    await store.transact([put(sk(4), values[4]!)]);
    await store.close();
    whole = readFileSync(join(directory, 'whole', 'data.mdb'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  /** A store on a copy of the file in which every place that holds `found` has been changed. */
  function changed(
    found: Buffer,
    change: (place: Buffer) => void,
  ): { readonly store: LmdbStore; readonly told: string[] } {
    const file = Buffer.from(whole);
    let places = 0;
    for (let at = file.indexOf(found); at >= 0; at = file.indexOf(found, at + found.length)) {
      change(file.subarray(at));
      places++;
    }
    expect(places).toBeGreaterThan(0);
    const copy = join(directory, `copy-${copies++}`);
    mkdirSync(copy);
    writeFileSync(join(copy, 'data.mdb'), file);
    const told: string[] = [];
    return {
      store: openLmdbStore({ directory: copy, clock: new MovableClock(), warn: (text) => told.push(text) }),
      told,
    };
  }

  const versioned = (version: number, value: string): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(version);
    return Buffer.concat([bytes, Buffer.from(value)]);
  };
  const rowOf = (i: number, version = i === 4 ? 2 : 1): Row => ({ pk: 'P', sk: sk(i), value: values[i]!, version });
  const all = values.map((_, i) => rowOf(i));

  it('a bit of a version is changed back, for readers and for conditions', async () => {
    for (let bit = 0; bit < 64; bit += 5) {
      const { store, told } = changed(versioned(2, values[4]!), (place) => void (place[bit >> 3]! ^= 1 << (bit & 7)));
      expect(await store.get({ pk: 'P', sk: sk(4) })).toEqual(rowOf(4));
      expect((await store.range('P')).rows).toEqual(all);
      await expect(store.transact([put(sk(4), '{}', { version: 3 })])).rejects.toThrow(StoreConflict);
      await store.transact([put(sk(4), values[4]!, { version: 2 })]);
      expect(await store.get({ pk: 'P', sk: sk(4) })).toEqual(rowOf(4, 3));
      expect(told).toEqual(['metadata store: row P row-4: one bit of its version or value had changed']);
      await store.close();
    }
  });

  it('a version with more damage makes its row a damaged one, which can be written again', async () => {
    const { store, told } = changed(versioned(2, values[4]!), (place) => place.fill(0xff, 0, 8));
    const row = await store.get({ pk: 'P', sk: sk(4) });
    expect(row?.value).toBe('');
    expect((await store.range('P')).rows.map(({ value }) => value)).toEqual(values.with(4, ''));
    await store.transact([put(sk(4), values[4]!, { version: row!.version })]);
    expect(await store.get({ pk: 'P', sk: sk(4) })).toEqual({ ...rowOf(4), version: row!.version + 1 });
    expect(told).toEqual(['metadata store: row P row-4: its key or version is damaged, and more of it than one bit']);
    await store.close();
  });

  it('a row whose key has changed is read in its place, and put back', async () => {
    const stored = rowKeyBytes('P', sk(4));
    // The last character: to `5`, which is there, `0`, `6`, and to what sorts elsewhere.
    for (let bit = 0; bit < 7; bit++) {
      const { store, told } = changed(
        Buffer.concat([stored, versioned(2, values[4]!)]),
        (place) => void (place[stored.length - 1]! ^= 1 << bit),
      );
      const isReadable = (await store.range('P')).rows.filter((row) => row.sk === sk(4) && row.version === 2);
      expect(isReadable).toEqual([rowOf(4)]);
      const changes: RowChange[] = [];
      store.watch('P', (change) => changes.push(change));
      await store.check();
      expect(told[0]).toBe('metadata store: row P row-4: one bit of its key had changed');
      if (told.some((text) => text.includes('wrong order'))) continue;
      expect(await store.get({ pk: 'P', sk: sk(4) })).toEqual(rowOf(4));
      expect((await store.range('P')).rows).toEqual(all);
      await store.close();
    }
  });

  it('counters of changes are mended, or counted again', async () => {
    const counters = encodeState({ lastSequence: 10, firstSequence: 1, window: 0, windowOpenedMs: 0 });
    const found = counters.subarray(0, 16);
    for (const [at, bytes] of [
      [0, 1],
      [7, 1],
      [0, 8],
      [4, 20],
    ] as const) {
      const { store } = changed(found, (place) => {
        for (let i = at; i < at + bytes; i++) place[i]! ^= 0x40;
      });
      const told: RowChange[] = [];
      const heard = new Promise<void>((resolve) => {
        store.watch('P', (change) => {
          told.push(change);
          resolve();
        });
      });
      await store.transact([put('after', '{}')]);
      await heard;
      expect(told).toMatchObject([{ key: { sk: 'after' } }]);
      expect((await store.range('P')).rows).toHaveLength(10);
      await store.close();
    }
    expect(stateKey.toString()).toBe('s');
  });
});
