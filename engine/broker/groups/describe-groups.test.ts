import { describe, expect, it } from 'vitest';
import { DiskFull } from '../../ports.ts';
import { volumeFullCode } from '../../protocol/error-codes.ts';
import { type Bench, bench, client, protocols, stableGroup } from './coordinator.suite.ts';

const list = async (on: Bench, statesFilter: string[] = [], typesFilter: string[] = []) => {
  const { groups } = await on.coordinator.listGroups(5, { statesFilter, typesFilter }, client);
  return groups.map((each) => each.groupId).sort();
};
const remove = async (on: Bench, ...groupsNames: string[]) => {
  const { results } = await on.coordinator.deleteGroups(2, { groupsNames }, client);
  return Object.fromEntries(results.map((each) => [each.groupId, each.errorCode]));
};

describe('DescribeGroups', () => {
  it('shows a stable group with metadata and assignments, and any other without metadata', async () => {
    const on = await bench();
    const { ids } = await stableGroup(on, 2);
    const ask = async () =>
      (await on.coordinator.describeGroups(5, { groups: ['g'], includeAuthorizedOperations: false }, client))
        .groups[0]!;
    const stable = await ask();
    expect(stable).toMatchObject({
      errorCode: 0,
      groupState: 'Stable',
      protocolType: 'consumer',
      protocolData: 'range',
    });
    expect(stable.authorizedOperations).toBe(-2_147_483_648);
    expect(stable.members.map((each) => each.memberId).sort()).toEqual([...ids].sort());
    const member = stable.members[0]!;
    expect(member).toMatchObject({ clientId: 'app', clientHost: '/10.0.0.7', groupInstanceId: null });
    expect(Buffer.from(member.memberMetadata)).toEqual(protocols('range')[0]!.metadata);
    expect(Buffer.from(member.memberAssignment).toString()).toBe(member.memberId);
    on.join({ memberId: ids[0]! });
    const preparing = await ask();
    expect(preparing).toMatchObject({ groupState: 'PreparingRebalance', protocolData: '' });
    expect(preparing.members[0]!.memberMetadata).toHaveLength(0);
  });

  it('reports unknown groups as each version requires', async () => {
    const on = await bench();
    const request = { groups: ['h'], includeAuthorizedOperations: false };
    const old = await on.coordinator.describeGroups(5, request, client);
    expect(old.groups[0]).toMatchObject({ errorCode: 0, errorMessage: null, groupState: 'Dead' });
    const recent = await on.coordinator.describeGroups(6, request, client);
    expect(recent.groups[0]).toMatchObject({
      errorCode: 69,
      errorMessage: 'Group h not found.',
      groupState: 'Dead',
    });
  });

  it('passes on that the coordinator is not available', async () => {
    const on = await bench({ load: false });
    const request = { groups: ['h'], includeAuthorizedOperations: false };
    expect((await on.coordinator.describeGroups(6, request, client)).groups[0]).toMatchObject({ errorCode: 14 });
    const listed = await on.coordinator.listGroups(5, { statesFilter: [], typesFilter: [] }, client);
    expect(listed).toMatchObject({ errorCode: 14, groups: [] });
    expect(await remove(on, 'g')).toEqual({ g: 14 });
    expect(await on.coordinator.offsetDelete(0, { groupId: 'g', topics: [] }, client)).toMatchObject({ errorCode: 14 });
  });
});

describe('ListGroups', () => {
  it('filters by state and type, ignoring case', async () => {
    const on = await bench();
    await stableGroup(on, 1);
    await on.commit(1, { groupId: 'simple' });
    expect(await list(on)).toEqual(['g', 'simple']);
    expect(await list(on, ['STABLE'])).toEqual(['g']);
    expect(await list(on, [' empty ', 'stable'])).toEqual(['g', 'simple']);
    expect(await list(on, ['nonsense'])).toEqual([]);
    expect(await list(on, [], ['classic'])).toEqual(['g', 'simple']);
    expect(await list(on, [], ['consumer'])).toEqual([]);
    const { groups } = await on.coordinator.listGroups(5, { statesFilter: ['Empty'], typesFilter: [] }, client);
    expect(groups).toEqual([{ groupId: 'simple', protocolType: '', groupState: 'Empty', groupType: 'classic' }]);
  });
});

describe('DeleteGroups', () => {
  it('removes empty groups with their offsets, for good', async () => {
    const on = await bench();
    await stableGroup(on, 1);
    await on.commit(1, { groupId: 'simple' });
    expect(await remove(on, 'g', 'simple', 'simple', 'ghost')).toEqual({ g: 68, simple: 0, ghost: 69 });
    expect(await list(on)).toEqual(['g']);
    const next = await bench({ on });
    expect(await list(next)).toEqual(['g']);
  });

  it('admits nobody to a group while its tombstone is being written, and deletes earlier commits with it', async () => {
    const on = await bench();
    await on.commit(1);
    on.log.hold = true;
    const before = on.commit(2, { partition: 7 });
    await on.clock.settle();
    const removed = remove(on, 'g');
    expect((await on.join().done).errorCode).toBe(15);
    expect(await on.commit(3)).toBe(15);
    expect(await remove(on, 'g')).toEqual({ g: 69 });
    // Nothing is deleted before the tombstone is durable.
    expect(await on.fetch()).toBe(1);
    expect(await on.state()).toBe('Empty');
    on.log.release();
    expect([await before, await removed]).toEqual([0, { g: 0 }]);
    expect([await on.fetch(), await on.fetch('t', 7)]).toEqual([-1, -1]);
    expect(await on.commit(4)).toBe(0);
    const next = await bench({ on });
    expect([await next.fetch(), await next.fetch('t', 7)]).toEqual([4, -1]);
  });

  it('keeps the group when the tombstone cannot be written', async () => {
    const on = await bench();
    await on.commit(1);
    on.log.failWith = new DiskFull('no space');
    expect(await remove(on, 'g')).toEqual({ g: volumeFullCode });
    on.log.failWith = undefined;
    expect(await on.fetch()).toBe(1);
    expect(await on.commit(2)).toBe(0);
  });
});
