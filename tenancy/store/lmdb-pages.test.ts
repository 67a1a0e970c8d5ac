import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MovableClock, put } from '../../engine/store-fixture.suite.ts';
import { type LmdbStore, openLmdbStore } from './lmdb.ts';
import { pageDamage } from './lmdb-pages.ts';

const pageBytes = 8192;
const rows = 16;

describe('pages of the metadata store', () => {
  let directory: string;
  let sound: Buffer;
  /** Pages that the last commit uses. */
  let used: readonly number[];
  const path = (): string => join(directory, 'damaged.mdb');
  /** In place, because a copy of the file for each page takes long. */
  const damageWith = (page: number, change: (bytes: Buffer) => void): string | undefined => {
    const file = openSync(path(), 'r+');
    const before = sound.subarray(page * pageBytes, (page + 1) * pageBytes);
    const after = Buffer.from(before);
    change(after);
    writeSync(file, after, 0, pageBytes, page * pageBytes);
    const damage = pageDamage(path(), pageBytes);
    writeSync(file, before, 0, pageBytes, page * pageBytes);
    closeSync(file);
    return damage;
  };
  const changed = (page: number, change: (bytes: Buffer) => void): Buffer => {
    const file = Buffer.from(sound);
    change(file.subarray(page * pageBytes, (page + 1) * pageBytes));
    return file;
  };
  /** Each in a folder of its own: this process keeps the file of one that was opened until it ends. */
  const openCopy = (name: string, file: Buffer, checksPages: boolean): LmdbStore => {
    mkdirSync(join(directory, name));
    writeFileSync(join(directory, name, 'data.mdb'), file);
    return openLmdbStore({ directory: join(directory, name), clock: new MovableClock(), checksPages });
  };
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'headgate.pages-'));
    const store = openLmdbStore({ directory: join(directory, 'sound'), clock: new MovableClock() });
    for (let i = 0; i < rows; i++)
      await store.transact([put(`small-${i}`, 'x'.repeat(700)), put(`large-${i}`, 'y'.repeat(20_000))]);
    await store.close();
    sound = readFileSync(join(directory, 'sound', 'data.mdb'));
    writeFileSync(path(), sound);
    const pages = Array.from({ length: sound.length / pageBytes }, (_, page) => page);
    used = pages.slice(2).filter((page) => damageWith(page, (bytes) => bytes.fill(0)) !== undefined);
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it('are whole in a store that was closed in order, or only written to', () => {
    expect(pageDamage(path(), pageBytes)).toBeUndefined();
    // A tree of two levels, values in pages of their own, and the list of free pages.
    expect(used.length).toBeGreaterThan(rows + 3);
  });

  it.each<[string, (bytes: Buffer) => void]>([
    ['zeroed', (bytes) => bytes.fill(0)],
    ['zeroed in their first half', (bytes) => bytes.fill(0, 0, pageBytes / 2)],
    ['of another kind', (bytes) => bytes.writeUInt16LE(bytes.readUInt16LE(18) ^ 7, 18)],
    ['another page', (bytes) => bytes.writeUInt32LE(bytes.readUInt32LE(0) ^ 1, 0)],
    ['from later than the last commit', (bytes) => bytes.writeUInt32LE(1_000_000, 8)],
  ])('are named when they are %s', (_, change) => {
    for (const page of used) expect(damageWith(page, change)).toMatch(new RegExp(`^page ${page}: `));
  });

  it('are named when they are torn, apart from what is a value’s', () => {
    const named = used.filter((page) => damageWith(page, (bytes) => bytes.fill(0, pageBytes / 2)) !== undefined);
    const isOfValue = (page: number): boolean => sound.readUInt16LE(page * pageBytes + 18) === 4;
    expect(named).toEqual(used.filter((page) => !isOfValue(page)));
  });

  it('are missed when they hold older rows, and when the file is cut off', () => {
    const leaves = used.filter((page) => sound.readUInt16LE(page * pageBytes + 18) === 2);
    const [one] = leaves;
    const entries = sound.readUInt16LE(one! * pageBytes + 20) / 2;
    expect(damageWith(one!, (bytes) => bytes.writeUInt16LE(2 * (entries - 1), 20))).toMatch(
      /entries are in its pages$/,
    );
    const cut = join(directory, 'cut.mdb');
    writeFileSync(cut, sound.subarray(0, used.at(-1)! * pageBytes));
    expect(pageDamage(cut, pageBytes)).toMatch(/^it has \d+ pages of \d+$/);
  });

  it('say nothing while somebody else commits', async () => {
    const store = openLmdbStore({ directory: join(directory, 'busy'), clock: new MovableClock() });
    for (let i = 0; i < 200; i++) {
      const written = store.transact([put(`row-${i % 50}`, 'x'.repeat(900))]);
      expect(pageDamage(join(directory, 'busy', 'data.mdb'), pageBytes)).toBeUndefined();
      await written;
    }
    await store.close();
  });

  it('are looked at before LMDB opens the file, and a damaged one is named', async () => {
    const damaged = changed(used[0]!, (bytes) => bytes.fill(0));
    expect(() => openCopy('damaged', damaged, true)).toThrow(
      new RegExp(`data.mdb is damaged \\(page ${used[0]}: .*\\): restore it from a backup$`),
    );
    await openCopy('whole', sound, true).close();
  });

  it('that go bad while the store is open end its process, which could not read on, and spoil no copy', async () => {
    const file = Buffer.from(sound);
    for (const page of used) {
      if (sound.readUInt16LE(page * pageBytes + 18) === 2) file.writeUInt16LE(4, page * pageBytes + 18);
    }
    const store = openCopy('late', file, false);
    mkdirSync(join(directory, 'copy'));
    await expect(store.copyTo(join(directory, 'copy'))).rejects.toThrow('its header is no header');
    const reasons: string[] = [];
    store.onPanic((reason) => reasons.push(reason));
    await expect(store.get({ pk: 'P', sk: 'small-1' })).rejects.toThrow('data.mdb is damaged');
    expect(reasons).toEqual(['the metadata store: data.mdb is damaged: restore it from a backup']);
  });
});
