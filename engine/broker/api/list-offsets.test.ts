import { expect, it } from 'vitest';
import { listOffsetsRequest } from '../../protocol/messages/02-list-offsets.ts';
import { make } from '../../protocol/make.ts';
import type { Catalogue } from '../../engine.ts';
import type { Owned, Ownership } from '../ownership.ts';
import { listOffsets } from './02-list-offsets.ts';

/** A log that began at epoch 1 and is owned at epoch 3. */
function asked(startOffset: number, highWatermark: number, isAwake = true): Promise<unknown> {
  const epochAt = (offset: number): number => (offset < highWatermark ? 1 : -1);
  const owned = { log: { startOffset, highWatermark, leaderEpoch: 3, epochAt } } as unknown as Owned;
  const ownership = {
    with: (_id: string, _partition: number, use: (owned: Owned) => void) => use(owned),
  } as unknown as Ownership;
  const catalogue = { byName: () => ({ topicId: 'id', partitions: [{}] }) } as unknown as Catalogue;
  const partitions = [{ partitionIndex: 0, timestamp: -2 }];
  const request = make(listOffsetsRequest, { topics: [{ name: 't', partitions }] });
  return listOffsets(catalogue, ownership, () => isAwake, request).then(({ topics }) => topics[0]!.partitions[0]);
}

it('names the epoch of the first record, or of the next one when there is none', async () => {
  expect(await asked(2, 5)).toMatchObject({ offset: 2, leaderEpoch: 1 });
  expect(await asked(5, 5)).toMatchObject({ offset: 5, leaderEpoch: 3 });
});

it('tells nothing while the process may have slept over its succession', async () => {
  expect(await asked(2, 5, false)).toMatchObject({ errorCode: 6, offset: -1 });
});
