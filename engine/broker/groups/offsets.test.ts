import { describe, expect, it } from 'vitest';
import { Overloaded, ShuttingDown } from '../../kernel/failure.ts';
import { zeroUuid } from '../../kernel/uuid.ts';
import { DiskFault, DiskFull } from '../../ports.ts';
import { unsureCode, volumeFullCode } from '../../protocol/error-codes.ts';
import { make } from '../../protocol/make.ts';
import { offsetCommitRequest } from '../../protocol/messages/08-offset-commit.ts';
import type { OffsetFetchRequest } from '../../protocol/messages/09-offset-fetch.ts';
import { type Bench, bench, client, type CommitOptions, protocols, stableGroup } from './coordinator.suite.ts';

const day = 86_400_000;

function fetchGroups(on: Bench, version: number, request: Partial<OffsetFetchRequest>) {
  const whole = { groupId: '', topics: null, groups: [], requireStable: false, ...request };
  return on.coordinator.offsetFetch(version, whole, client);
}

describe('OffsetCommit', () => {
  const cases: [string, number, CommitOptions][] = [
    ['a generation of an unknown group', 69, { groupId: 'h', generation: 1, memberId: 'm' }],
    [
      'a generation of an unknown group, before version 9',
      22,
      { groupId: 'h', generation: 1, memberId: 'm', version: 8 },
    ],
    ['no generation while there are members', 25, {}],
    ['an unknown member', 25, { generation: 1, memberId: 'ghost' }],
    ['an unknown instance', 25, { generation: 1, memberId: 'ghost', instanceId: 'i' }],
    ['too much metadata', 12, { groupId: 'h', metadata: 'x'.repeat(4_097) }],
    ['a group id longer than a record takes', 24, { groupId: 'x'.repeat(32_768) }],
    ['a topic longer than a record takes', 17, { groupId: 'h', topic: 'x'.repeat(32_768) }],
  ];
  it.each(cases)('refuses %s', async (_what, code, options) => {
    const on = await bench();
    await stableGroup(on, 1);
    expect(await on.commit(1, options)).toBe(code);
    expect(on.coordinator.groupCount()).toBe(1);
  });

  it('refuses offsets beyond the memory limit, and accepts those that replace as much', async () => {
    const on = await bench({ settings: { offsetsBytesMax: 1_000 } });
    const large = { metadata: 'x'.repeat(300) };
    expect(await on.commit(1, { ...large, groupId: 'a' })).toBe(0);
    expect(await on.commit(1, { ...large, groupId: 'b' })).toBe(0);
    expect(await on.commit(1, { ...large, groupId: 'c' })).toBe(28);
    expect(on.coordinator.groupCount()).toBe(2);
    expect(await on.commit(2, { ...large, groupId: 'a' })).toBe(0);
    expect(await on.commit(3, { metadata: 'x'.repeat(500), groupId: 'a' })).toBe(28);
    // The limit also applies to offsets that are read back from the log, and freed room can be used.
    const next = await bench({ on, settings: { offsetsBytesMax: 1_000 } });
    expect(await next.commit(1, { ...large, groupId: 'c' })).toBe(28);
    const deleted = await next.coordinator.deleteGroups(2, { groupsNames: ['b'] }, client);
    expect(deleted.results[0]!.errorCode).toBe(0);
    expect(await next.commit(1, { ...large, groupId: 'c' })).toBe(0);
    for (let i = 0; i < 50; i++) expect(await next.commit(i, { ...large, groupId: 'c' })).toBe(0);
    expect(await next.commit(2, { groupId: 'd' })).toBe(0);
    expect(await next.commit(2, { groupId: 'e' })).toBe(28);
  });

  it('refuses another generation, and every commit while the assignment is awaited', async () => {
    const on = await bench();
    const { ids } = await stableGroup(on, 1);
    expect(await on.commit(1, { memberId: ids[0]!, generation: 9 })).toBe(22);
    expect(await on.commit(1, { memberId: ids[0]! })).toBe(22);
    await on.join({ memberId: ids[0]! }).done;
    expect(await on.state()).toBe('CompletingRebalance');
    expect(await on.commit(1, { memberId: ids[0]!, generation: 2 })).toBe(27);
  });

  it('is accepted from members while a rebalance is being prepared', async () => {
    const on = await bench();
    const { ids } = await stableGroup(on, 2);
    on.join({ memberId: ids[0]! });
    expect(await on.state()).toBe('PreparingRebalance');
    expect(await on.commit(8, { memberId: ids[1]!, generation: 1 })).toBe(0);
    expect(await on.fetch()).toBe(8);
  });

  it('creates a simple group, even without a name', async () => {
    const on = await bench();
    expect(await on.commit(3, { metadata: null })).toBe(0);
    expect(await on.commit(4, { groupId: '' })).toBe(0);
    expect(await on.state()).toBe('Empty');
    expect(on.coordinator.groupCount()).toBe(2);
    const all = await fetchGroups(on, 7, { groupId: 'g' });
    expect(all.topics[0]!.partitions[0]).toMatchObject({ committedOffset: 3, committedLeaderEpoch: -1, metadata: '' });
  });

  it('becomes visible once durable, in log order', async () => {
    const on = await bench();
    await on.commit(1);
    on.log.hold = true;
    const second = on.commit(2);
    await on.clock.settle();
    const third = on.commit(3);
    await on.clock.settle();
    expect(await on.fetch()).toBe(1);
    on.log.release();
    expect(await Promise.all([second, third])).toEqual([0, 0]);
    expect(await on.fetch()).toBe(3);
    const next = await bench({ on });
    expect(await next.fetch()).toBe(3);
  });

  it.each([
    [volumeFullCode, new DiskFull('no space')],
    [unsureCode, new DiskFault('broken')],
    [16, new ShuttingDown('moved')],
    [14, new Overloaded('behind')],
    [-1, new Error('bug')],
  ])('answers %d when the log refuses', async (code, error) => {
    const on = await bench();
    on.log.failWith = error;
    expect(await on.commit(1)).toBe(code);
    expect(on.coordinator.groupCount()).toBe(0);
    expect(await on.fetch()).toBe(-1);
  });

  it('answers each partition for itself', async () => {
    const on = await bench();
    const partition = { committedOffset: 5, committedLeaderEpoch: 2, committedMetadata: 'm' };
    const topics = [
      {
        name: 't',
        topicId: zeroUuid,
        partitions: [
          { ...partition, partitionIndex: 0 },
          { ...partition, partitionIndex: 1, committedMetadata: 'x'.repeat(5_000) },
        ],
      },
    ];
    const request = {
      groupId: 'g',
      generationIdOrMemberEpoch: -1,
      memberId: '',
      groupInstanceId: null,
      retentionTimeMs: -1,
    };
    const response = await on.coordinator.offsetCommit(9, { ...request, topics }, client);
    expect(response.topics[0]!.partitions.map((each) => each.errorCode)).toEqual([0, 12]);
    const fetched = await fetchGroups(on, 5, { groupId: 'g', topics: [{ name: 't', partitionIndexes: [0, 1] }] });
    expect(fetched.topics[0]!.partitions).toEqual([
      { partitionIndex: 0, committedOffset: 5, committedLeaderEpoch: 2, metadata: 'm', errorCode: 0 },
      { partitionIndex: 1, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode: 0 },
    ]);
  });
});

describe('OffsetFetch', () => {
  it('answers for many groups from version 8 on, and for unknown ones without an error', async () => {
    const on = await bench();
    await on.commit(5);
    await on.commit(6, { topic: 'u', partition: 2 });
    const ask = (groupId: string, topics: string[] | null) => ({
      groupId,
      memberId: null,
      memberEpoch: -1,
      topics: topics?.map((name) => ({ name, topicId: zeroUuid, partitionIndexes: [2] })) ?? null,
    });
    const groups = [ask('g', null), ask('g', ['u']), ask('h', null), ask('h', ['u'])];
    const response = await fetchGroups(on, 8, { groups });
    const offsets = response.groups.map((group) =>
      group.topics.map((topic) => [topic.name, ...topic.partitions.map((each) => each.committedOffset)]),
    );
    expect(offsets).toEqual([
      [
        ['t', 5],
        ['u', 6],
      ],
      [['u', 6]],
      [],
      [['u', -1]],
    ]);
    expect(response.groups.every((each) => each.errorCode === 0)).toBe(true);
  });

  it('waits for commits in flight when stable offsets are required', async () => {
    const on = await bench();
    on.log.hold = true;
    const commit = on.commit(5);
    await on.clock.settle();
    const topics = [{ name: 't', partitionIndexes: [0] }];
    const stable = fetchGroups(on, 7, { groupId: 'g', topics, requireStable: true });
    const atOnce = await fetchGroups(on, 7, { groupId: 'g', topics });
    expect(atOnce.topics[0]!.partitions[0]!.committedOffset).toBe(-1);
    on.log.release();
    await commit;
    expect((await stable).topics[0]!.partitions[0]!.committedOffset).toBe(5);
  });

  it('puts an error where each version has a place for it', async () => {
    const on = await bench({ load: false });
    const topics = [{ name: 't', partitionIndexes: [0] }];
    const v1 = await fetchGroups(on, 1, { groupId: 'g', topics });
    expect(v1.topics[0]!.partitions[0]).toMatchObject({ errorCode: 14, committedOffset: -1 });
    expect(await fetchGroups(on, 2, { groupId: 'g', topics })).toMatchObject({ errorCode: 14, topics: [] });
    const groups = [{ groupId: 'g', memberId: null, memberEpoch: -1, topics: null }];
    expect((await fetchGroups(on, 8, { groups })).groups[0]).toMatchObject({ errorCode: 14, topics: [] });
  });
});

describe('OffsetDelete', () => {
  const remove = (on: Bench, name = 't', groupId = 'g') =>
    on.coordinator.offsetDelete(0, { groupId, topics: [{ name, partitions: [{ partitionIndex: 0 }] }] }, client);

  it('removes offsets of topics that no member reads', async () => {
    const on = await bench();
    const { ids } = await stableGroup(on, 1);
    for (const topic of ['t', 'u']) await on.commit(1, { topic, memberId: ids[0]!, generation: 1 });
    expect((await remove(on, 't')).topics[0]!.partitions[0]!.errorCode).toBe(86);
    expect((await remove(on, 'u')).topics[0]!.partitions[0]!.errorCode).toBe(0);
    expect([await on.fetch('t'), await on.fetch('u')]).toEqual([1, -1]);
    const next = await bench({ on });
    expect([await next.fetch('t'), await next.fetch('u')]).toEqual([1, -1]);
  });

  it('treats unreadable metadata as a subscription to everything', async () => {
    const on = await bench();
    const metadata = Buffer.from([1]);
    const join = on.join({ version: 3, protocols: [{ name: 'range', metadata }] });
    await on.clock.advance(250);
    await on.sync(join.response!.memberId, 1).done;
    expect((await remove(on, 'u')).topics[0]!.partitions[0]!.errorCode).toBe(86);
  });

  it('refuses unnamed groups, unknown groups, and groups of another type that have members', async () => {
    const on = await bench();
    expect(await remove(on, 't', '')).toMatchObject({ errorCode: 24, topics: [] });
    expect(await remove(on, 't', 'h')).toMatchObject({ errorCode: 69, topics: [] });
    on.join({ version: 3, protocolType: 'connect', protocols: protocols('default') });
    await on.clock.advance(250);
    expect(await remove(on)).toMatchObject({ errorCode: 68, topics: [] });
  });
});

describe('retention', () => {
  it('counts from the commit in a simple group, and removes the group with its last offset', async () => {
    const on = await bench();
    await on.commit(1);
    await on.clock.advance(3 * day);
    await on.commit(2, { partition: 1 });
    await on.clock.advance(4 * day + 600_000);
    expect([await on.fetch('t', 0), await on.fetch('t', 1)]).toEqual([-1, 2]);
    await on.clock.advance(3 * day);
    expect(on.coordinator.groupCount()).toBe(0);
    const next = await bench({ on });
    expect(next.coordinator.groupCount()).toBe(0);
  });

  it('counts from the moment the group became empty', async () => {
    const on = await bench();
    const { ids } = await stableGroup(on, 1);
    await on.commit(1, { memberId: ids[0]!, generation: 1 });
    await on.clock.advance(day);
    expect(await on.state()).toBe('Empty');
    await on.clock.advance(6 * day - 600_000);
    expect(await on.fetch()).toBe(1);
    on.coordinator.close();
    const next = await bench({ on });
    await next.clock.advance(1_200_000);
    expect(await next.fetch()).toBe(-1);
    expect(next.coordinator.groupCount()).toBe(0);
  });

  it('looks at all groups, some in each turn', async () => {
    const on = await bench({ settings: { retentionGroupsPerTurn: 1 } });
    for (const groupId of ['a', 'b', 'c']) await on.commit(1, { groupId });
    await on.clock.advance(7 * day + 600_000);
    expect(on.coordinator.groupCount()).toBe(0);
    await on.commit(1);
    await on.clock.advance(7 * day + 600_000);
    expect(on.coordinator.groupCount()).toBe(0);
  });

  it('spares what an empty group committed long ago, as long as it is not empty for long', async () => {
    const on = await bench({ settings: { sessionTimeoutMsMax: 1e9 } });
    const join = on.join({ version: 3, sessionTimeoutMs: 1e9 });
    await on.clock.advance(250);
    const { memberId } = join.response!;
    await on.sync(memberId, 1).done;
    await on.commit(1, { memberId, generation: 1 });
    await on.clock.advance(5 * day);
    await on.leave(memberId);
    await on.clock.advance(5 * day);
    expect(await on.fetch()).toBe(1);
    await on.clock.advance(2 * day + 600_000);
    expect(await on.fetch()).toBe(-1);
  });

  it('counts from the commit in a simple group that had no offsets when it was written down', async () => {
    const on = await bench({ settings: { checkpointBytes: 1 } });
    await on.commit(1);
    const topics = [{ name: 't', partitions: [{ partitionIndex: 0 }] }];
    await on.coordinator.offsetDelete(0, { groupId: 'g', topics }, client);
    await on.clock.settle();
    on.coordinator.close();
    const next = await bench({ on });
    expect(next.coordinator.groupCount()).toBe(1);
    await next.commit(2, { partition: 1 });
    await next.clock.advance(5 * day);
    await next.commit(3);
    await next.clock.advance(3 * day);
    expect([await next.fetch('t', 0), await next.fetch('t', 1)]).toEqual([3, -1]);
  });

  it('keeps offsets of topics that members read and drops others', async () => {
    const on = await bench({ settings: { sessionTimeoutMsMax: 1e9, offsetsRetentionMs: day } });
    const join = on.join({ version: 3, sessionTimeoutMs: 1e9 });
    await on.clock.advance(250);
    const { memberId } = join.response!;
    await on.sync(memberId, 1).done;
    for (const topic of ['t', 'u']) await on.commit(1, { topic, memberId, generation: 1 });
    await on.clock.advance(day + 600_000);
    expect([await on.fetch('t'), await on.fetch('u')]).toEqual([1, -1]);
  });

  it('keeps the offsets of members that are not consumers: nobody can tell what they read', async () => {
    const on = await bench({ settings: { sessionTimeoutMsMax: 1e9 } });
    const join = on.join({ version: 3, sessionTimeoutMs: 1e9, protocolType: 'connect' });
    await on.clock.advance(250);
    const { memberId } = join.response!;
    await on.sync(memberId, 1, {}, undefined, 'connect').done;
    await on.commit(1, { memberId, generation: 1 });
    await on.clock.advance(8 * day);
    expect(await on.fetch()).toBe(1);
  });

  it('obeys the retention time that a commit names, also after a restart', async () => {
    const on = await bench();
    await on.commit(1, { version: 2, retentionMs: 2 * day });
    await on.commit(2, { version: 2, retentionMs: 20 * day, partition: 1 });
    await on.clock.advance(2 * day + 600_000);
    expect([await on.fetch('t', 0), await on.fetch('t', 1)]).toEqual([-1, 2]);
    on.coordinator.close();
    const next = await bench({ on });
    await next.clock.advance(17 * day);
    expect(await next.fetch('t', 1)).toBe(2);
    await next.clock.advance(2 * day);
    expect(await next.fetch('t', 1)).toBe(-1);
  });

  it('removes offsets of a topic whose name another topic has taken', async () => {
    let madeMs = -1;
    const on = await bench({ topicMadeMs: (topic) => (topic === 't' ? madeMs : -1) });
    await on.commit(7);
    await on.commit(8, { topic: 'u' });
    await on.clock.advance(10);
    madeMs = on.clock.wallMs();
    expect([await on.fetch('t'), await on.fetch('u')]).toEqual([-1, 8]);
    const all = await fetchGroups(on, 7, { groupId: 'g' });
    expect(all.topics.map(({ name }) => name)).toEqual(['u']);
    // The clock that dated the topic may be ahead: a commit for the existing topic counts nevertheless.
    madeMs += 60_000;
    await on.commit(1, { partition: 1 });
    expect([await on.fetch('t', 0), await on.fetch('t', 1)]).toEqual([-1, 1]);
    on.coordinator.close();
    const next = await bench({ on, topicMadeMs: () => madeMs });
    expect([await next.fetch('t', 0), await next.fetch('t', 1)]).toEqual([-1, 1]);
    await next.clock.advance(600_000);
    madeMs = -1;
    expect([await next.fetch('t', 0), await next.fetch('t', 1)]).toEqual([-1, 1]);
  });

  it('reads and takes offsets of a topic that its gateway has heard of before it, as of that topic', async () => {
    const on = await bench();
    await on.commit(7);
    await on.clock.advance(10);
    const knowing = { ...client, topicsMadeMs: new Map([['t', on.clock.wallMs() + 5]]) };
    const whole = { groupId: 'g', topics: [{ name: 't', partitionIndexes: [0, 1] }], groups: [], requireStable: false };
    const fetched = async (): Promise<unknown[]> => {
      const { topics } = await on.coordinator.offsetFetch(7, whole, knowing);
      return topics[0]!.partitions.map(({ committedOffset }) => committedOffset);
    };
    expect(await fetched()).toEqual([-1, -1]);
    const partitions = [{ partitionIndex: 1, committedOffset: 3, committedMetadata: '' }];
    const commit = { groupId: 'g', generationIdOrMemberEpoch: -1, topics: [{ name: 't', partitions }] };
    await on.coordinator.offsetCommit(7, make(offsetCommitRequest, commit), knowing);
    expect(await fetched()).toEqual([-1, 3]);
    // A client of a gateway that has not heard of it goes on with the former one.
    expect(await on.fetch('t', 0)).toBe(7);
  });

  it('does not remove a commit in flight', async () => {
    const on = await bench({ settings: { offsetsRetentionMs: 1_000, retentionCheckIntervalMs: 10_000 } });
    await on.commit(1);
    await on.clock.advance(9_000);
    on.log.hold = true;
    const commit = on.commit(2);
    await on.clock.advance(1_000);
    on.log.release();
    await commit;
    await on.clock.settle();
    expect(await on.fetch()).toBe(2);
  });
});
