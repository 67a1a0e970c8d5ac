import { expect, it } from 'vitest';
import type { Catalogue } from '../../engine.ts';
import { manualClock } from '../../kernel/manual-clock.ts';
import type { PartitionLog } from '../../log/log.ts';
import { StoreUnavailable } from '../../ports.ts';
import { errorCode } from '../../protocol/error-codes.ts';
import { make } from '../../protocol/make.ts';
import { deleteRecordsRequest } from '../../protocol/messages/21-delete-records.ts';
import type { Owned, Ownership } from '../ownership.ts';
import { deleteRecords } from './21-delete-records.ts';

it('answers for every partition, whatever happens to one of them, before its link counts as hung', async () => {
  const clock = manualClock();
  const away = (): Promise<never> => Promise.reject(new StoreUnavailable('no answer'));
  const logs: Partial<PartitionLog>[] = [
    { isOpen: true, deleteRecords: () => Promise.resolve({ errorCode: 0, lowWatermark: 7 }) },
    { isOpen: true, deleteRecords: away },
    { isOpen: false, deleteRecords: away },
    { isOpen: true, deleteRecords: () => new Promise(() => undefined) },
  ];
  const ownership = {
    with: (_id: string, partition: number, use: (owned: Owned) => void) =>
      use({ log: logs[partition] } as unknown as Owned),
  } as unknown as Ownership;
  const catalogue = { byName: () => ({ topicId: 'id', partitions: logs.map(() => ({})) }) } as unknown as Catalogue;
  const partitions = logs.map((_, partitionIndex) => ({ partitionIndex, offset: 7 }));
  const request = make(deleteRecordsRequest, { topics: [{ name: 't', partitions }] });
  const answering = deleteRecords({ catalogue, ownership, clock }, request);
  await clock.advance(11_000);
  expect((await answering).topics[0]!.partitions).toEqual([
    { partitionIndex: 0, errorCode: errorCode.none, lowWatermark: 7 },
    { partitionIndex: 1, errorCode: errorCode.kafkaStorageError, lowWatermark: -1 },
    { partitionIndex: 2, errorCode: errorCode.notLeaderOrFollower, lowWatermark: -1 },
    { partitionIndex: 3, errorCode: errorCode.requestTimedOut, lowWatermark: -1 },
  ]);
});
