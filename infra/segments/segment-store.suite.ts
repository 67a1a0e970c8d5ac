/** What every segment store must do. */
import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { DiskFault, type SegmentStore } from '../../engine/ports.ts';

export function segmentStoreSuite(open: () => SegmentStore | Promise<SegmentStore>): void {
  const written = async (store: SegmentStore, parts: readonly (readonly Buffer[])[]): Promise<string> => {
    const fileId = randomUUID();
    const file = store.create(fileId);
    for (const some of parts) await file.write(some);
    await file.commit();
    return fileId;
  };
  const read = async (store: SegmentStore, fileId: string, at: number, bytes: number): Promise<Buffer> => {
    const file = store.open(fileId);
    const target = Buffer.alloc(bytes);
    const got = await file.read(target, at);
    file.close();
    return target.subarray(0, got);
  };

  it('returns what was written, at any position, and no more than exists', async () => {
    const store = await open();
    const parts = Array.from({ length: 300 }, (_, i) => Buffer.alloc(1 + i * 97, i));
    const whole = Buffer.concat(parts);
    const fileId = await written(store, [parts.slice(0, 7), [], parts.slice(7)]);
    const file = store.open(fileId);
    expect(await file.sizeBytes()).toBe(whole.length);
    file.close();
    for (const at of [0, 1, 1 << 20, (1 << 20) - 5, 3 << 20, whole.length - 3, whole.length, whole.length + 9]) {
      for (const bytes of [1, 10, 70_000, 1_500_000]) {
        const got = await read(store, fileId, at, bytes);
        expect(got.equals(whole.subarray(at, at + bytes))).toBe(true);
        const once = store.open(fileId, 'once');
        const target = Buffer.alloc(bytes);
        const count = await once.read(target, at);
        expect(target.subarray(0, count).equals(whole.subarray(at, at + bytes))).toBe(true);
        once.close();
      }
    }
    expect((await read(store, fileId, 0, whole.length)).equals(whole)).toBe(true);
    await store.remove(fileId);
  });

  it('accepts parts of any size in any order', async () => {
    const store = await open();
    for (const sizes of [[8, 200_000, 9, 300_000, 1], [262_144, 1, 262_144], [1], [700_000, 700_000]]) {
      const parts = sizes.map((size, i) => Buffer.alloc(size, i + 1));
      const fileId = await written(store, [parts]);
      const whole = Buffer.concat(parts);
      expect((await read(store, fileId, 0, whole.length + 1)).equals(whole)).toBe(true);
      await store.remove(fileId);
    }
  });

  it('lists files, and removes them for good', async () => {
    const store = await open();
    const before = await store.list();
    const ids = [await written(store, [[Buffer.from('a')]]), await written(store, [[Buffer.from('b')]])];
    expect(await store.list()).toEqual([...before, ...ids].sort());
    await store.remove(ids[0]!);
    await store.remove(ids[0]!);
    expect(await store.list()).toEqual([...before, ids[1]!].sort());
    await store.remove(ids[1]!);
  });

  it('shows nothing of an abandoned file', async () => {
    const store = await open();
    const before = await store.list();
    const fileId = randomUUID();
    const file = store.create(fileId);
    await file.write([Buffer.from('half')]);
    file.abort();
    await store.remove(fileId);
    expect(await store.list()).toEqual(before);
  });

  it('names a missing file in its error', async () => {
    const store = await open();
    const fileId = randomUUID();
    const reading = (async () => read(store, fileId, 0, 10))();
    await expect(reading).rejects.toThrow(DiskFault);
    await expect(reading).rejects.toThrow(store.nameOf(fileId));
  });
}
