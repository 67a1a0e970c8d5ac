import { describe, expect, it } from 'vitest';
import { ShuttingDown } from '../../kernel/failure.ts';
import { DiskFull } from '../../ports.ts';
import { volumeFullCode } from '../../protocol/error-codes.ts';
import type { SyncGroupRequest } from '../../protocol/messages/14-sync-group.ts';
import { type Bench, bench, client, stableGroup } from './coordinator.suite.ts';

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();

/** Two members that have joined generation 1 and not synced. */
async function joinedGroup(on: Bench): Promise<{ leader: string; follower: string }> {
  const joins = [on.join({ version: 3 }), on.join({ version: 3 })];
  await on.clock.advance(1_000);
  return { leader: joins[0]!.response!.memberId, follower: joins[1]!.response!.memberId };
}

describe('SyncGroup', () => {
  const base = { groupId: 'g', generationId: 1, groupInstanceId: null, assignments: [] };
  const cases: [string, number, Partial<SyncGroupRequest>][] = [
    ['an empty group id', 24, { groupId: '' }],
    ['an unknown group', 25, { groupId: 'h' }],
    ['an unknown member', 25, { memberId: 'ghost' }],
    ['an unknown instance', 25, { groupInstanceId: 'i' }],
    ['an old generation', 22, { generationId: 0 }],
    ['another protocol type', 23, { protocolType: 'connect' }],
    ['another protocol', 23, { protocolName: 'sticky' }],
  ];
  it.each(cases)('refuses %s', async (_what, code, more) => {
    const on = await bench();
    const { leader } = await joinedGroup(on);
    const request = { ...base, memberId: leader, protocolType: 'consumer', protocolName: 'range', ...more };
    const response = await on.coordinator.syncGroup(5, request, client);
    expect(response).toMatchObject({ errorCode: code, protocolType: null, protocolName: null });
    expect(response.assignment).toHaveLength(0);
  });

  it('answers everybody once the leader’s assignment is durable', async () => {
    const on = await bench();
    const { leader, follower } = await joinedGroup(on);
    const waiting = on.sync(follower, 1);
    on.log.hold = true;
    const leading = on.sync(leader, 1, { [leader]: 'L', [follower]: 'F' });
    await on.clock.settle();
    expect([waiting.response, leading.response]).toEqual([undefined, undefined]);
    expect(await on.state()).toBe('CompletingRebalance');
    on.log.release();
    await on.clock.settle();
    expect([text(waiting.response?.assignment), text(leading.response?.assignment)]).toEqual(['F', 'L']);
    expect(await on.state()).toBe('Stable');
  });

  it('gives a member that the leader forgot an empty assignment', async () => {
    const on = await bench();
    const { leader, follower } = await joinedGroup(on);
    await on.sync(leader, 1, { [leader]: 'L' }).done;
    const late = await on.sync(follower, 1).done;
    expect(late.errorCode).toBe(0);
    expect(late.assignment).toHaveLength(0);
  });

  it('writes only the first assignment when a leader repeats its SyncGroup', async () => {
    const on = await bench();
    const { leader } = await joinedGroup(on);
    on.log.hold = true;
    const first = on.sync(leader, 1, { [leader]: 'one' });
    await on.clock.settle();
    const second = on.sync(leader, 1, { [leader]: 'two' });
    on.log.release();
    await on.clock.settle();
    expect(first.response?.errorCode).toBe(27);
    expect(text(second.response?.assignment)).toBe('one');
    const next = await bench({ on });
    expect(text((await next.sync(leader, 1).done).assignment)).toBe('one');
  });

  it('applies nothing when a rebalance began while the record was in flight', async () => {
    const on = await bench();
    const { leader, follower } = await joinedGroup(on);
    on.log.hold = true;
    const sync = on.sync(leader, 1, { [leader]: 'L' });
    await on.clock.settle();
    const newcomer = on.join({ version: 3 });
    expect(await sync.done).toMatchObject({ errorCode: 27 });
    on.log.release();
    await on.clock.settle();
    expect(await on.state()).toBe('PreparingRebalance');
    on.join({ memberId: leader });
    on.join({ memberId: follower });
    expect(await newcomer.done).toMatchObject({ generationId: 2, leader });
  });

  it('rebalances when the assignment cannot be stored', async () => {
    const on = await bench();
    const { leader } = await joinedGroup(on);
    on.log.failWith = new DiskFull('no space');
    expect(await on.sync(leader, 1, { [leader]: 'L' }).done).toMatchObject({
      errorCode: volumeFullCode,
    });
    expect(await on.state()).toBe('PreparingRebalance');
    expect((await on.sync(leader, 1).done).errorCode).toBe(27);
  });

  it('removes a member that joins a generation and never syncs', async () => {
    const on = await bench();
    const { leader, follower } = await joinedGroup(on);
    await on.sync(leader, 1, {}).done;
    for (let i = 0; i < 6; i++) {
      for (const id of [leader, follower]) expect(await on.heartbeat(id, 1)).toBe(0);
      await on.clock.advance(5_000);
    }
    expect(await on.heartbeat(follower, 1)).toBe(25);
    expect(await on.heartbeat(leader, 1)).toBe(27);
  });
});

describe('Heartbeat', () => {
  it('is missed from a leader that owes the assignment: the others are told to rejoin', async () => {
    const on = await bench();
    const { leader, follower } = await joinedGroup(on);
    const waiting = on.sync(follower, 1);
    await on.clock.advance(9_000);
    expect(waiting.response).toBeUndefined();
    await on.clock.advance(500);
    expect(waiting.response).toMatchObject({ errorCode: 27 });
    expect(await on.heartbeat(leader, 1)).toBe(25);
    expect(await on.join({ memberId: follower }).done).toMatchObject({ generationId: 2, leader: follower });
  });

  it.each([
    ['an empty group id', 24, { groupId: '' }],
    ['an unknown group', 25, { groupId: 'h' }],
    ['an unknown member', 25, { memberId: 'ghost' }],
    ['an unknown instance', 25, { groupInstanceId: 'i' }],
    ['another generation', 22, { generationId: 7 }],
  ])('refuses %s', async (_what, code, more) => {
    const on = await bench();
    const { ids } = await stableGroup(on, 1);
    const request = { groupId: 'g', generationId: 1, memberId: ids[0]!, groupInstanceId: null, ...more };
    expect((await on.coordinator.heartbeat(4, request, client)).errorCode).toBe(code);
  });

  it('keeps the session alive, as a commit does; without either the session ends', async () => {
    const on = await bench();
    const { ids, generation } = await stableGroup(on, 2);
    for (let i = 0; i < 5; i++) {
      await on.clock.advance(9_000);
      expect(await on.heartbeat(ids[0]!, generation)).toBe(0);
      expect(await on.commit(i, { memberId: ids[1]!, generation })).toBe(0);
    }
    await on.clock.advance(9_000);
    expect(await on.heartbeat(ids[0]!, generation)).toBe(0);
    await on.clock.advance(1_000);
    expect(await on.heartbeat(ids[0]!, generation)).toBe(27);
    expect(await on.heartbeat(ids[1]!, generation)).toBe(25);
  });

  it('does not expire members that wait for the coordinator', async () => {
    const on = await bench();
    const { leader, follower } = await joinedGroup(on);
    const waiting = on.sync(follower, 1);
    for (let i = 0; i < 2; i++) {
      await on.clock.advance(9_000);
      expect(await on.heartbeat(leader, 1)).toBe(0);
    }
    await on.sync(leader, 1, {}).done;
    expect((await waiting.done).errorCode).toBe(0);
    expect(await on.heartbeat(follower, 1)).toBe(0);
  });

  it('leaves an empty group whose generation continues', async () => {
    const on = await bench();
    await stableGroup(on, 2);
    await on.clock.advance(60_000);
    expect(await on.state()).toBe('Empty');
    on.coordinator.close();
    const next = await bench({ on });
    expect(await next.state()).toBe('Empty');
    expect((await stableGroup(next, 1)).generation).toBe(3);
  });
});

describe('LeaveGroup', () => {
  it('removes many and answers each, from version 3 on', async () => {
    const on = await bench();
    const { ids } = await stableGroup(on, 3);
    const members = ['', 'ghost', ids[0]!, ids[1]!].map((memberId) => ({
      memberId,
      groupInstanceId: memberId === '' ? 'i' : null,
      reason: null,
    }));
    const response = await on.coordinator.leaveGroup(3, { groupId: 'g', memberId: '', members }, client);
    expect(response.members.map((each) => each.errorCode)).toEqual([25, 25, 0, 0]);
    expect(response.members[0]).toMatchObject({ memberId: '', groupInstanceId: 'i' });
    expect(await on.state()).toBe('PreparingRebalance');
    expect(await on.heartbeat(ids[2]!, 1)).toBe(27);
  });

  it('has one member and its error on top before version 3', async () => {
    const on = await bench();
    const { ids } = await stableGroup(on, 1);
    const leave = (memberId: string, groupId = 'g') =>
      on.coordinator.leaveGroup(2, { groupId, memberId, members: [] }, client);
    expect(await leave('ghost')).toEqual({ throttleTimeMs: 0, errorCode: 25, members: [] });
    expect((await leave('ghost', 'h')).errorCode).toBe(25);
    expect((await leave('ghost', '')).errorCode).toBe(24);
    expect((await leave(ids[0]!)).errorCode).toBe(0);
    expect(await on.state()).toBe('Empty');
  });

  it('of a member that is none changes nothing for the others', async () => {
    const on = await bench();
    const { ids } = await stableGroup(on, 2);
    expect(await on.leave('ghost')).toBe(25);
    expect(await on.state()).toBe('Stable');
    expect(await on.heartbeat(ids[1]!, 1)).toBe(0);
  });

  it('answers each member of an unknown group', async () => {
    const on = await bench();
    const members = [{ memberId: 'm', groupInstanceId: null, reason: null }];
    const response = await on.coordinator.leaveGroup(4, { groupId: 'h', memberId: '', members }, client);
    expect(response).toMatchObject({ errorCode: 0, members: [{ memberId: 'm', errorCode: 25 }] });
  });

  it('withdraws a member id that has not joined, and completes a rebalance that waited for it', async () => {
    const on = await bench();
    const { ids } = await stableGroup(on, 1);
    const { memberId } = await on.join().done;
    const join = on.join({ memberId: ids[0]! });
    expect(await on.leave(memberId)).toBe(0);
    expect(join.response).toMatchObject({ generationId: 2 });
  });

  it('answers the parked requests of a leaving member', async () => {
    const on = await bench();
    const { leader, follower } = await joinedGroup(on);
    const sync = on.sync(follower, 1);
    await on.leave(follower);
    expect(sync.response?.errorCode).toBe(25);
    const join = on.join({ version: 3 });
    const rejoin = on.join({ memberId: leader });
    await on.clock.settle();
    const { memberId } = join.response!;
    const again = on.join({ memberId, protocols: [] });
    expect((await again.done).errorCode).toBe(23);
    expect((await rejoin.done).errorCode).toBe(0);
  });

  it('answers when the empty generation is durable, or reports that it is not', async () => {
    const on = await bench();
    const { ids } = await stableGroup(on, 1);
    on.log.failWith = new ShuttingDown('moved');
    expect(await on.leave(ids[0]!)).toBe(16);
  });
});

describe('a coordinator that moves away or loads', () => {
  it('answers everything parked with NOT_COORDINATOR, and everything after', async () => {
    const on = await bench();
    const { leader, follower } = await joinedGroup(on);
    const sync = on.sync(follower, 1);
    const other = on.join({ version: 3, groupId: 'h' });
    const third = on.join({ groupId: 'k' });
    on.coordinator.close();
    on.coordinator.close();
    await on.clock.settle();
    expect(sync.response?.errorCode).toBe(16);
    expect(other.response?.errorCode).toBe(16);
    expect(third.response?.errorCode).toBe(16);
    expect((await on.join().done).errorCode).toBe(16);
    expect((await on.sync(leader, 1).done).errorCode).toBe(16);
    expect(await on.heartbeat(leader, 1)).toBe(16);
    expect(await on.leave(leader)).toBe(16);
    expect(await on.commit(1)).toBe(16);
    // Nothing fires any more.
    const end = on.log.endOffset();
    await on.clock.advance(1_000_000);
    expect(on.log.endOffset()).toBe(end);
  });

  it('answers that it is loading, except to heartbeats', async () => {
    const on = await bench({ load: false });
    expect((await on.join().done).errorCode).toBe(14);
    expect((await on.sync('m', 1).done).errorCode).toBe(14);
    expect(await on.heartbeat('m', 1)).toBe(0);
    expect(await on.leave('m')).toBe(14);
    expect(await on.commit(1)).toBe(14);
  });
});
