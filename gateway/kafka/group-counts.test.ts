import { expect, it } from 'vitest';
import type { Engine } from '../../engine/engine.ts';
import { type ManualClock, manualClock } from '../../engine/kernel/manual-clock.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { GroupCounts } from './group-counts.ts';

const cluster = 'c23456789abc';
const groupsMax = 3;

/** Coordinators that list `groups`, or what is left of them while some of the coordinators are away. */
function world(groups: string[]): {
  clock: ManualClock;
  listed: { groups: string[]; isPartial: boolean; times: number };
  mayUse: (group: string) => boolean | Promise<boolean>;
} {
  const clock = manualClock();
  const listed = { groups, isPartial: false, times: 0 };
  const listGroups = async (): ReturnType<Engine['listGroups']> => {
    listed.times++;
    const code = listed.isPartial ? errorCode.coordinatorNotAvailable : errorCode.none;
    const all = listed.groups.map((groupId) => ({ groupId, protocolType: '', groupState: '', groupType: '' }));
    return Promise.resolve({ throttleTimeMs: 0, errorCode: code, groups: all });
  };
  const counts = new GroupCounts({ listGroups } as unknown as Engine, clock);
  return { clock, listed, mayUse: (group) => counts.mayUse(cluster, group, groupsMax) };
}

it('knows the groups of before its start, and asks the coordinators once for many that join together', async () => {
  const { listed, mayUse } = world(['a', 'b']);
  expect(await Promise.all(['a', 'b', 'c', 'd'].map(async (group) => mayUse(group)))).toEqual([
    true,
    true,
    true,
    false,
  ]);
  expect(listed.times).toBe(1);
});

it('at the limit, sees groups that have gone at most a second later', async () => {
  const { clock, listed, mayUse } = world(['a', 'b', 'c']);
  expect(await mayUse('d')).toBe(false);
  listed.groups = ['a', 'b'];
  await clock.advance(1_000);
  expect(await mayUse('d')).toBe(false);
  expect(listed.times).toBe(1);
  await clock.advance(1);
  expect(await mayUse('d')).toBe(true);
});

it('counts the groups of coordinators that are away, and admits them', async () => {
  const { clock, listed, mayUse } = world(['a', 'b', 'c']);
  expect(await mayUse('a')).toBe(true);
  Object.assign(listed, { groups: ['a'], isPartial: true });
  await clock.advance(1_001);
  expect(await mayUse('d')).toBe(false);
  expect([mayUse('b'), mayUse('c')]).toEqual([true, true]);
});

it('asks again after a first answer without some coordinators', async () => {
  const { clock, listed, mayUse } = world(['a']);
  listed.isPartial = true;
  expect(await mayUse('a')).toBe(true);
  Object.assign(listed, { groups: ['a', 'b', 'c'], isPartial: false });
  await clock.advance(1_001);
  expect(await mayUse('d')).toBe(false);
});
