import { describe, expect, it } from 'vitest';
import type { JoinGroupRequest } from '../../protocol/messages/11-join-group.ts';
import { bench, client, joinRequest, protocols, stableGroup, subscription } from './coordinator.suite.ts';

describe('JoinGroup refusals', () => {
  const cases: [string, number, Partial<JoinGroupRequest> & { version?: number }][] = [
    ['an empty group id', 24, { groupId: '' }],
    ['a group id longer than a record takes', 24, { groupId: 'x'.repeat(32_768) }],
    ['a session timeout below the least', 26, { sessionTimeoutMs: 5_999 }],
    ['a session timeout above the most', 26, { sessionTimeoutMs: 1_800_001 }],
    ['a member id in a group that does not exist', 25, { memberId: 'ghost' }],
    ['no protocol type', 23, { protocolType: '' }],
    ['no protocols', 23, { protocols: [] }],
    ['a text longer than a record takes', -1, { protocolType: 'x'.repeat(32_767) }],
  ];
  it.each(cases)('refuses %s', async (_what, code, request) => {
    const on = await bench();
    const response = await on.join(request).done;
    expect(response).toMatchObject({ errorCode: code, generationId: -1, leader: '', memberId: request.memberId ?? '' });
    expect(on.coordinator.groupCount()).toBe(0);
  });

  const inStable: [string, number, Partial<JoinGroupRequest>][] = [
    ['another protocol type', 23, { protocolType: 'connect' }],
    ['strategies that nobody else has', 23, { protocols: protocols('mine') }],
    ['an unknown member id', 25, { memberId: 'ghost' }],
    ['an unknown instance id with a member id', 25, { memberId: 'ghost', groupInstanceId: 'i' }],
  ];
  it.each(inStable)('refuses %s in a stable group', async (_what, code, request) => {
    const on = await bench();
    await stableGroup(on, 2);
    expect((await on.join(request).done).errorCode).toBe(code);
    expect(await on.state()).toBe('Stable');
  });

  it('reports the missing protocol name as each version can', async () => {
    const on = await bench();
    expect((await on.join({ version: 6, memberId: 'x' }).done).protocolName).toBe('');
    expect((await on.join({ version: 7, memberId: 'x' }).done).protocolName).toBeNull();
  });

  it('refuses an instance id together with a member id that a dynamic member was given', async () => {
    const on = await bench();
    const { memberId } = await on.join().done;
    expect((await on.join({ memberId, groupInstanceId: 'i' }).done).errorCode).toBe(-1);
  });

  it('refuses members, pending members and groups over their limits', async () => {
    const on = await bench({ settings: { membersMax: 2, pendingMembersMax: 3, groupsMax: 2 } });
    await stableGroup(on, 2);
    expect((await on.join().done).errorCode).toBe(81);
    expect((await on.join({ groupId: 'h', version: 4 }).done).errorCode).toBe(79);
    expect((await on.join({ groupId: 'h', version: 4 }).done).errorCode).toBe(79);
    expect((await on.join({ groupId: 'h', version: 4 }).done).errorCode).toBe(79);
    expect((await on.join({ groupId: 'h', version: 4 }).done).errorCode).toBe(14);
    expect((await on.join({ groupId: 'i' }).done).errorCode).toBe(81);
    expect(await on.commit(1, { groupId: 'i' })).toBe(81);
  });

  it('refuses metadata that no record of a group can hold', async () => {
    const on = await bench({ settings: { recordBytesMax: 1_000 } });
    const protocols = [{ name: 'range', metadata: Buffer.alloc(1_001) }];
    expect((await on.join({ protocols }).done).errorCode).toBe(-1);
    expect(on.coordinator.groupCount()).toBe(0);
  });

  it('refuses a member that would exceed the memory for all groups, and keeps the present ones', async () => {
    const on = await bench({ settings: { membersBytesMax: 13_500 } });
    const large = [{ name: 'range', metadata: Buffer.alloc(5_000) }];
    const larger = [...large, { name: 'sticky', metadata: Buffer.alloc(5_000) }];
    const { ids } = await stableGroup(on, 1);
    const waiting = on.join({ groupId: 'h', protocols: large, version: 3, sessionTimeoutMs: 6_000 });
    expect((await on.join({ groupId: 'i', protocols: larger }).done).errorCode).toBe(81);
    expect(on.coordinator.groupCount()).toBe(2);
    expect(await on.heartbeat(ids[0]!, 1)).toBe(0);
    // The room of the other group's member is free again when its session ends.
    await on.clock.advance(60_000);
    expect(waiting.response?.errorCode).toBe(0);
    expect((await on.join({ groupId: 'i', protocols: larger }).done).errorCode).toBe(79);
  });

  it('counts the memory of names without metadata and of ids that have not joined yet', async () => {
    const on = await bench({ settings: { membersBytesMax: 20_000 } });
    const names = Array.from({ length: 101 }, (_, i) => ({ name: `${i}`.repeat(90), metadata: Buffer.alloc(0) }));
    expect((await on.join({ groupId: 'names', protocols: names }).done).errorCode).toBe(23);
    expect((await on.join({ groupId: 'names', protocols: names.slice(1) }).done).errorCode).toBe(81);
    const codes: number[] = [];
    for (let i = 0; i < 200; i++) codes.push((await on.join({ groupId: 'ids' }).done).errorCode);
    expect(new Set(codes)).toEqual(new Set([79, 81]));
    expect(codes.filter((code) => code === 79).length).toBeLessThan(150);
    // The member ids that were handed out expire, which frees their room.
    await on.clock.advance(60_000);
    expect((await on.join({ groupId: 'ids' }).done).errorCode).toBe(79);
  });

  it('hands out no assignment that would exceed the memory limit', async () => {
    const on = await bench({ settings: { membersBytesMax: 10_000 } });
    const join = on.join({ version: 3 });
    await on.clock.advance(250);
    const { memberId } = join.response!;
    expect((await on.sync(memberId, 1, { [memberId]: 'x'.repeat(10_000) }).done).errorCode).toBe(-1);
    expect(await on.state()).not.toBe('Stable');
  });

  it('shuts out the last members to rejoin a group that is over its size', async () => {
    const on = await bench();
    const { ids } = await stableGroup(on, 3);
    on.coordinator.close();
    const small = await bench({ on, settings: { membersMax: 2 } });
    expect(await small.state()).toBe('PreparingRebalance');
    const joins = ids.map((memberId) => small.join({ memberId }));
    await small.clock.advance(30_000);
    expect(joins.map((join) => join.response?.errorCode)).toEqual([0, 0, 81]);
  });
});

describe('JoinGroup', () => {
  it('creates a member at once before version 4', async () => {
    const on = await bench();
    const join = on.join({ version: 3 });
    await on.clock.advance(250);
    expect(join.response).toMatchObject({ errorCode: 0, generationId: 1 });
    expect(join.response!.leader).toBe(join.response!.memberId);
  });

  it('uses the session timeout as the rebalance timeout in version 0', async () => {
    const on = await bench();
    const first = on.join({ version: 0, rebalanceTimeoutMs: -1 });
    await on.clock.advance(250);
    const { memberId } = await first.done;
    await on.sync(memberId, 1).done;
    const second = on.join({ version: 0, rebalanceTimeoutMs: -1 });
    // The first member does not rejoin: it keeps its session, and is removed when the rebalance timeout ends.
    await on.clock.advance(9_000);
    await on.heartbeat(memberId, 1);
    expect(second.response).toBeUndefined();
    await on.clock.advance(1_000);
    expect(second.response).toMatchObject({ errorCode: 0, generationId: 2 });
    expect(await on.heartbeat(memberId, 2)).toBe(25);
  });

  it('extends the first delay while members come, up to the rebalance timeout', async () => {
    const on = await bench({ settings: { initialRebalanceDelayMs: 1_000 } });
    const first = on.join({ version: 3, rebalanceTimeoutMs: 2_500 });
    for (let i = 0; i < 4; i++) {
      await on.clock.advance(600);
      expect(first.response).toBeUndefined();
      on.join({ version: 3, rebalanceTimeoutMs: 2_500 });
    }
    await on.clock.advance(600);
    expect(first.response!.members).toHaveLength(5);
  });

  it('ends the first delay at the rebalance timeout even if members keep coming', async () => {
    const on = await bench();
    const first = on.join({ version: 3, rebalanceTimeoutMs: 1_000 });
    for (let passedMs = 0; passedMs < 1_000; passedMs += 200) {
      expect(first.response).toBeUndefined();
      await on.clock.advance(200);
      on.join({ version: 3, rebalanceTimeoutMs: 1_000 });
    }
    await on.clock.advance(1);
    expect(first.response).toMatchObject({ errorCode: 0, generationId: 1 });
  });

  it('drops an unused member id after the session timeout, and the rebalance continues without it', async () => {
    const on = await bench();
    const { ids, generation } = await stableGroup(on, 1);
    const { memberId } = await on.join().done;
    const join = on.join({ memberId: ids[0]! });
    await on.clock.advance(9_000);
    expect(join.response).toBeUndefined();
    await on.clock.advance(1_000);
    expect(join.response).toMatchObject({ errorCode: 0, generationId: generation + 1 });
    expect((await on.join({ memberId }).done).errorCode).toBe(25);
  });

  it('removes members that do not rejoin in time, and elects a leader among the rest', async () => {
    const on = await bench();
    const { ids, generation } = await stableGroup(on, 3);
    const joins = ids.slice(1).map((memberId) => on.join({ memberId, protocols: protocols('range', 'sticky') }));
    // The leader heartbeats and does not rejoin.
    for (let i = 0; i < 3; i++) {
      expect(await on.heartbeat(ids[0]!, generation)).toBe(27);
      await on.clock.advance(9_000);
    }
    await on.clock.advance(3_000);
    expect(joins[0]!.response).toMatchObject({ generationId: generation + 1, leader: ids[1] });
    expect(joins[0]!.response!.members.map((each) => each.memberId)).toEqual(ids.slice(1));
    expect(joins[1]!.response).toMatchObject({ leader: ids[1], members: [] });
    expect(await on.heartbeat(ids[0]!, generation)).toBe(25);
  });

  it('gives a follower that rejoins unchanged its generation, and rebalances for the leader', async () => {
    const on = await bench();
    const { ids, generation } = await stableGroup(on, 2);
    const follower = await on.join({ memberId: ids[1]! }).done;
    expect(follower).toMatchObject({ errorCode: 0, generationId: generation, leader: ids[0], members: [] });
    expect(await on.state()).toBe('Stable');
    const leader = on.join({ memberId: ids[0]! });
    expect(await on.state()).toBe('PreparingRebalance');
    on.join({ memberId: ids[1]! });
    await on.clock.settle();
    expect(leader.response).toMatchObject({ generationId: generation + 1 });
  });

  it('repeats the response to a member that rejoins unchanged before the sync, and rebalances for a changed one', async () => {
    const on = await bench();
    const first = on.join({ version: 3 });
    const second = on.join({ version: 3 });
    await on.clock.advance(1_000);
    const [leader, follower] = [first.response!.memberId, second.response!.memberId];
    expect((await on.join({ memberId: leader }).done).members).toHaveLength(2);
    expect((await on.join({ memberId: follower }).done).members).toHaveLength(0);
    const sync = on.sync(follower, 1);
    const changed = on.join({ memberId: leader, protocols: [{ name: 'range', metadata: subscription('u') }] });
    await on.clock.settle();
    expect(sync.response).toMatchObject({ errorCode: 27 });
    expect(changed.response).toBeUndefined();
  });

  it('expires a waiting new member whose client is gone', async () => {
    const on = await bench({ settings: { newMemberJoinMsMax: 20_000 } });
    const { ids } = await stableGroup(on, 1);
    const lost = on.join({ version: 3 });
    for (let i = 0; i < 3; i++) {
      await on.heartbeat(ids[0]!, 1);
      await on.clock.advance(7_000);
    }
    expect(lost.response).toMatchObject({ errorCode: 25, memberId: '' });
  });

  it('accepts any strategy of the right type if everybody left during the first delay', async () => {
    const on = await bench();
    const { memberId } = await on.join().done;
    on.join({ memberId });
    expect(await on.leave(memberId)).toBe(0);
    expect(await on.state()).toBe('PreparingRebalance');
    expect((await on.join({ version: 3, protocolType: 'connect' }).done).errorCode).toBe(23);
    const join = on.join({ version: 3, protocols: protocols('sticky') });
    await on.clock.advance(1_000);
    expect(join.response).toMatchObject({ errorCode: 0, protocolName: 'sticky' });
  });

  it('answers the earlier of two joins of one member', async () => {
    const on = await bench();
    const { ids } = await stableGroup(on, 2);
    const former = on.join({ memberId: ids[0]! });
    const later = on.join({ memberId: ids[0]! });
    expect(await former.done).toMatchObject({ errorCode: 27 });
    on.join({ memberId: ids[1]! });
    expect(await later.done).toMatchObject({ errorCode: 0 });
  });

  it('hides a group until its first record is durable, and forgets it if that fails', async () => {
    const on = await bench();
    on.log.hold = true;
    const first = on.join();
    await on.clock.settle();
    expect(first.response).toBeUndefined();
    expect(await on.state()).toBe('Dead');
    on.log.failWith = new Error('broken');
    on.log.release();
    expect(await first.done).toMatchObject({ errorCode: -1 });
    expect(on.coordinator.groupCount()).toBe(0);
  });

  it('keeps no view of the request', async () => {
    const on = await bench();
    const metadata = subscription('t');
    const done = on.coordinator.joinGroup(3, joinRequest({ protocols: [{ name: 'range', metadata }] }), client);
    metadata.fill(0);
    await on.clock.advance(250);
    expect(Buffer.from((await done).members[0]!.metadata)).toEqual(subscription('t'));
  });
});
