import { expect, it } from 'vitest';
import { listOffsetsRequest, type ListOffsetsResponse } from '../../protocol/messages/02-list-offsets.ts';
import { make } from '../../protocol/make.ts';
import type { Catalogue } from '../../engine.ts';
import type { Clock } from '../../kernel/clock.ts';
import { manualClock } from '../../kernel/manual-clock.ts';
import { DataCorrupt, type PartitionLog } from '../../log/log.ts';
import { errorCode } from '../../protocol/error-codes.ts';
import { DiskFault } from '../../ports.ts';
import type { Owned, Ownership } from '../ownership.ts';
import { listOffsets } from './02-list-offsets.ts';

type Answer = ListOffsetsResponse['topics'][number]['partitions'];

/** Asks for a timestamp in each of the logs, which are the partitions of one topic. */
async function ask(
  logs: readonly Partial<PartitionLog>[],
  timestamp: number,
  options: { readonly isAwake?: boolean; readonly clock?: Clock } = {},
): Promise<Answer> {
  const { isAwake = true, clock = manualClock() } = options;
  const ownership = {
    with: (_id: string, partition: number, use: (owned: Owned) => void) =>
      use({ log: logs[partition] } as unknown as Owned),
  } as unknown as Ownership;
  const catalogue = { byName: () => ({ topicId: 'id', partitions: logs.map(() => ({})) }) } as unknown as Catalogue;
  const partitions = logs.map((_, partitionIndex) => ({ partitionIndex, timestamp }));
  const request = make(listOffsetsRequest, { topics: [{ name: 't', partitions }] });
  const parts = { catalogue, ownership, clock, isAwake: () => isAwake };
  return (await listOffsets(parts, request)).topics[0]!.partitions;
}

/** A log that began at epoch 1 and is owned at epoch 3. */
function logOf(startOffset: number, highWatermark: number): Partial<PartitionLog> {
  return {
    isOpen: true,
    startOffset,
    highWatermark,
    leaderEpoch: 3,
    epochAt: (offset) => (offset < highWatermark ? 1 : -1),
  };
}

it('names the epoch of the first record, or of the next record if there is none', async () => {
  expect(await ask([logOf(2, 5)], -2)).toMatchObject([{ offset: 2, leaderEpoch: 1 }]);
  expect(await ask([logOf(5, 5)], -2)).toMatchObject([{ offset: 5, leaderEpoch: 3 }]);
});

it('reports no offsets while the process may have slept through the start of its successor', async () => {
  expect(await ask([logOf(2, 5)], -2, { isAwake: false })).toMatchObject([{ errorCode: 6, offset: -1 }]);
});

it('reports unreadable or moved partitions one by one, and answers for the others', async () => {
  const found = { offset: 4, timestamp: 1001, leaderEpoch: 3 };
  const answer = await ask(
    [
      { ...logOf(0, 9), offsetForTimestamp: () => Promise.reject(new DataCorrupt('a file', 0, 'no batch')) },
      { ...logOf(0, 9), isOpen: false, offsetForTimestamp: () => Promise.reject(new DiskFault('no such file')) },
      { ...logOf(0, 9), offsetForTimestamp: () => Promise.resolve(found) },
    ],
    1000,
  );
  expect(answer).toMatchObject([
    { errorCode: errorCode.kafkaStorageError, offset: -1 },
    { errorCode: errorCode.notLeaderOrFollower, offset: -1 },
    { errorCode: errorCode.none, ...found },
  ]);
});

it('answers within seconds however long its lookups take, and starts none after that', async () => {
  const clock = manualClock();
  let looks = 0;
  const slow: Partial<PartitionLog> = {
    ...logOf(0, 9),
    async offsetForTimestamp() {
      looks++;
      await new Promise<void>((resolve) => clock.after(4_000, resolve));
      return { offset: 4, timestamp: 1001, leaderEpoch: 3 };
    },
  };
  const answered = ask(
    Array.from({ length: 20 }, () => slow),
    1000,
    { clock },
  );
  await clock.advance(6_000);
  const codes = (await answered).map((partition) => partition.errorCode);
  expect(codes).toEqual(Array.from({ length: 20 }, (_, i) => (i < 4 ? errorCode.none : errorCode.requestTimedOut)));
  await clock.advance(60_000);
  expect(looks).toBe(8);
});
