import { expect, it } from 'vitest';
import type { Catalogue } from '../engine.ts';
import { ownedByName } from './inner-topic.ts';
import type { Owned, Ownership } from './ownership.ts';

it('looks for the topic that is meant, not for the one that had its name before', async () => {
  const asked: string[] = [];
  const ownership = {
    with: (topicId: string, _partition: number, use: (owned: Owned) => void) => {
      asked.push(topicId);
      use({ errorCode: 0 });
    },
  } as unknown as Ownership;
  const catalogue = {
    byName: (name: string) => (name === 't' ? { topicId: 'the former' } : undefined),
  } as unknown as Catalogue;
  await ownedByName(catalogue, ownership, { name: 't', topicId: 'the new one' }, 0);
  // A gateway of an earlier version does not say.
  await ownedByName(catalogue, ownership, { name: 't', topicId: undefined }, 0);
  expect(await ownedByName(catalogue, ownership, { name: 'u', topicId: undefined }, 0)).toEqual({ errorCode: 3 });
  expect(asked).toEqual(['the new one', 'the former']);
});
