import { expect, it } from 'vitest';
import { systemClock } from '../../kernel/clock.ts';
import { manualClock } from '../../kernel/manual-clock.ts';
import { seededRandom } from '../../kernel/random.ts';
import { type MetadataStore, StoreAmbiguous, type StoreOp, StoreUnavailable } from '../../ports.ts';
import { memoryStore } from '../../store-memory.ts';
import { changeRowsTogether, type RowChangeSet, type RowContext, withRetries } from './change-rows.ts';
import { FileChanges } from './file-changes.ts';
import { LogRowsChanged } from '../log.ts';
import { decodeSegmentFile, encodeSegmentFile, segmentFileKey } from './segment-file.ts';
import { logSettingsDefault } from '../settings.ts';

const sessionKey = { pk: 'BROKER', sk: '1' };

async function setUp(before?: (count: number, store: MetadataStore) => Promise<void>) {
  const store = memoryStore({ clock: systemClock });
  await store.transact([
    { op: 'put', key: sessionKey, value: 'ours' },
    { op: 'put', key: segmentFileKey('b1-full'), value: encodeSegmentFile({ bytes: 10, segments: 3 }) },
    { op: 'put', key: segmentFileKey('b1-new'), value: encodeSegmentFile({ bytes: 10, segments: 0 }) },
  ]);
  let count = 0;
  const context: Pick<RowContext, 'store' | 'clock' | 'random' | 'settings' | 'guard'> = {
    clock: systemClock,
    random: seededRandom(1),
    settings: logSettingsDefault,
    guard: (): StoreOp[] => [{ op: 'check', key: sessionKey, if: { version: 1 } }],
    store: {
      get: (key) => store.get(key),
      range: (pk, options) => store.range(pk, options),
      watch: (pk, onChange) => store.watch(pk, onChange),
      close: () => store.close(),
      async transact(ops, token) {
        await before?.(count++, store);
        return store.transact(ops, token);
      },
    },
  };
  const changes = [1, 2, 3].map((n): RowChangeSet => {
    const put: StoreOp = { op: 'put', key: { pk: 'LOG', sk: `${n}` }, value: `${n}`, if: { absent: true } };
    const files = new FileChanges();
    files.remove({ fileId: 'b1-full', bytes: 1 });
    files.add({ fileId: 'b1-new', bytes: 1 });
    return { ops: [put], files };
  });
  const applied: { index: number; emptied: readonly string[] }[] = [];
  const change = (): Promise<void> =>
    changeRowsTogether(context as RowContext, changes, (index, emptied) => applied.push({ index, emptied }));
  const segments = async (fileId: string) => decodeSegmentFile((await store.get(segmentFileKey(fileId)))!.value);
  return { store, change, applied, segments };
}

it('change sets that are sent together count each file exactly, and the last one finds it empty', async () => {
  const { change, applied, segments, store } = await setUp();
  await change();
  expect(applied).toEqual([
    { index: 0, emptied: [] },
    { index: 1, emptied: [] },
    { index: 2, emptied: ['b1-full'] },
  ]);
  expect(await segments('b1-full')).toMatchObject({ segments: 0, swept: true });
  expect(await segments('b1-new')).toMatchObject({ segments: 3 });
  expect((await store.range('LOG')).rows).toHaveLength(3);
});

it('change sets that meet a changed counter are sent again, and nothing is counted twice', async () => {
  const other: StoreOp = {
    op: 'put',
    key: segmentFileKey('b1-full'),
    value: encodeSegmentFile({ bytes: 10, segments: 5 }),
  };
  const { change, applied, segments } = await setUp(async (count, store) => {
    if (count === 1) await store.transact([other]);
  });
  await change();
  expect(applied.map(({ index }) => index).sort((a, b) => a - b)).toEqual([0, 1, 2]);
  const left = (await segments('b1-full'))?.segments;
  // The other process counted before or after our first transaction.
  expect([2, 3]).toContain(left);
  expect(await segments('b1-new')).toMatchObject({ segments: 3 });
});

it('an unexpected row of a log fails the change, without a retry', async () => {
  let transactions = 0;
  const { change, applied, segments, store } = await setUp(async (count, other) => {
    transactions = count + 1;
    if (count === 1) await other.transact([{ op: 'put', key: { pk: 'LOG', sk: '2' }, value: 'of somebody else' }]);
  });
  await expect(change()).rejects.toThrow(LogRowsChanged);
  expect(applied.map(({ index }) => index)).toEqual([0]);
  expect(await store.get({ pk: 'LOG', sk: '2' })).toMatchObject({ value: 'of somebody else', version: 1 });
  // The third transaction expects the counters that the second should have left, so it applies completely or not at all.
  expect(await segments('b1-new')).toMatchObject({ segments: 1 });
  expect(transactions).toBe(3);
});

it('a guard that no longer holds ends the change, and reports what was applied before', async () => {
  const { change, applied } = await setUp(async (count, store) => {
    if (count === 2) await store.transact([{ op: 'put', key: sessionKey, value: 'fenced' }]);
  });
  await expect(change()).rejects.toMatchObject({ code: 'fenced' });
  expect(applied.length).toBeLessThan(3);
});

it('an abandoned call has an unknown outcome as soon as one attempt had', async () => {
  const clock = manualClock();
  const settings = { ...logSettingsDefault, storeRetryTotalMsMax: 1000 };
  const context: Pick<RowContext, 'clock' | 'settings'> = { clock, settings };
  const givenUp = async (first: Error): Promise<unknown> => {
    let attempts = 0;
    const failed = withRetries(context as RowContext, async () => {
      throw attempts++ === 0 ? first : new StoreUnavailable('away');
    }).catch((error: unknown) => error);
    for (let i = 0; i < 20; i++) await clock.advance(100);
    expect(attempts).toBeGreaterThan(2);
    return failed;
  };
  expect(await givenUp(new StoreAmbiguous('no answer'))).toBeInstanceOf(StoreAmbiguous);
  expect(await givenUp(new StoreUnavailable('away'))).toBeInstanceOf(StoreUnavailable);
});
