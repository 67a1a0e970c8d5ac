import { expect, it } from 'vitest';
import type { Group } from './group.ts';
import { OffsetRoom } from './offset-room.ts';

it('counts the groups once per commit, however many of its partitions do not fit', () => {
  let counts = 0;
  class CountedGroups extends Map<string, Group> {
    override values(): MapIterator<Group> {
      counts++;
      return super.values();
    }
  }
  const room = new OffsetRoom(new CountedGroups([['g', { offsetBytes: 900 } as Group]]), 1_100);
  const offset = { offset: 1, leaderEpoch: -1, metadata: '', commitMs: 0, expireMs: -1 };
  const hasRoom = room.forCommit(undefined);
  expect(Array.from({ length: 1_000 }, (_, partition) => hasRoom('t', partition, offset)).filter(Boolean)).toHaveLength(
    1,
  );
  expect(counts).toBe(1);
  expect(room.forCommit(undefined)('t', 0, offset)).toBe(true);
  expect(counts).toBe(2);
});
