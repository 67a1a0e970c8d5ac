import { describe, expect, it } from 'vitest';
import { DiskFull } from '../../ports.ts';
import { volumeFullCode } from '../../protocol/error-codes.ts';
import { type Bench, bench, protocols } from './coordinator.suite.ts';

/** Static members i0, i1… of a stable generation 1. */
async function staticGroup(on: Bench, count: number): Promise<{ ids: string[]; leader: string }> {
  const joins = Array.from({ length: count }, (_, i) => on.join({ groupInstanceId: `i${i}` }));
  await on.clock.advance(2_000);
  const ids = joins.map((join) => join.response!.memberId);
  const { leader } = joins[0]!.response!;
  const all = Object.fromEntries(ids.map((id) => [id, `of ${id}`]));
  await Promise.all(ids.map((id, i) => on.sync(id, 1, id === leader ? all : {}, `i${i}`).done));
  return { ids, leader };
}

describe('static members', () => {
  it('get a member id that begins with their instance id, without a second join', async () => {
    const on = await bench();
    const { ids } = await staticGroup(on, 2);
    expect(ids[0]).toMatch(/^i0-/);
    expect(await on.heartbeat(ids[0]!, 1, 'i0')).toBe(0);
  });

  it('return without a rebalance, with their assignment, and fence their former selves', async () => {
    const on = await bench();
    const { ids, leader } = await staticGroup(on, 2);
    const back = await on.join({ groupInstanceId: 'i1' }).done;
    expect(back).toMatchObject({ errorCode: 0, generationId: 1, leader, skipAssignment: false, members: [] });
    expect(back.memberId).not.toBe(ids[1]);
    expect(await on.state()).toBe('Stable');
    const sync = await on.sync(back.memberId, 1, {}, 'i1').done;
    expect(Buffer.from(sync.assignment).toString()).toBe(`of ${ids[1]}`);
    const request = { memberId: ids[1]!, groupInstanceId: 'i1' };
    expect((await on.join(request).done).errorCode).toBe(82);
    expect((await on.sync(ids[1]!, 1, {}, 'i1').done).errorCode).toBe(82);
    expect(await on.heartbeat(ids[1]!, 1, 'i1')).toBe(82);
    expect(await on.commit(1, { memberId: ids[1]!, instanceId: 'i1', generation: 1 })).toBe(82);
    expect(await on.leave(ids[1]!, 'i1')).toBe(82);
    expect(await on.heartbeat(back.memberId, 1, 'i9')).toBe(25);
  });

  it('return with the session timeout that they ask for now', async () => {
    const on = await bench();
    await staticGroup(on, 1);
    const { memberId } = await on.join({ groupInstanceId: 'i0', sessionTimeoutMs: 20_000 }).done;
    await on.heartbeat(memberId, 1, 'i0');
    await on.clock.advance(19_000);
    expect(await on.heartbeat(memberId, 1, 'i0')).toBe(0);
  });

  it('are told to skip the assignment as a returning leader, or are shown the former leader', async () => {
    const on = await bench();
    const { leader } = await staticGroup(on, 2);
    const old = await on.join({ version: 8, groupInstanceId: 'i0' }).done;
    expect(old).toMatchObject({ leader, skipAssignment: false, members: [] });
    const back = await on.join({ version: 9, groupInstanceId: 'i0' }).done;
    expect(back).toMatchObject({ leader: back.memberId, skipAssignment: true });
    expect(back.members).toHaveLength(2);
  });

  it('are known by the member id they were told, to a successor too', async () => {
    const on = await bench();
    const { ids } = await staticGroup(on, 2);
    const back = await on.join({ groupInstanceId: 'i1' }).done;
    on.coordinator.close();
    const next = await bench({ on });
    expect(await next.heartbeat(back.memberId, 1, 'i1')).toBe(0);
    expect(await next.heartbeat(ids[1]!, 1, 'i1')).toBe(82);
  });

  it('keep the former id when the new one cannot be stored', async () => {
    const on = await bench();
    const { ids } = await staticGroup(on, 2);
    on.log.failWith = new DiskFull('no space');
    expect((await on.join({ groupInstanceId: 'i1' }).done).errorCode).toBe(volumeFullCode);
    on.log.failWith = undefined;
    expect(await on.heartbeat(ids[1]!, 1, 'i1')).toBe(0);
    expect(await on.state()).toBe('Stable');
  });

  it('keep the former strategies as well when the new id cannot be stored', async () => {
    const on = await bench();
    const join = on.join({ groupInstanceId: 'i0', protocols: protocols('range', 'sticky') });
    await on.clock.advance(250);
    await on.sync(join.response!.memberId, 1, {}, 'i0').done;
    on.log.failWith = new DiskFull('no space');
    const changed = { groupInstanceId: 'i0', protocols: protocols('range', 'cooperative-sticky') };
    expect((await on.join(changed).done).errorCode).toBe(volumeFullCode);
    on.log.failWith = undefined;
    const codeFor = async (name: string): Promise<number> =>
      (await on.join({ protocols: protocols(name) }).done).errorCode;
    expect([await codeFor('sticky'), await codeFor('cooperative-sticky')]).toEqual([79, 23]);
    expect((await on.join(changed).done).errorCode).toBe(0);
    expect([await codeFor('sticky'), await codeFor('cooperative-sticky')]).toEqual([23, 79]);
  });

  it('take part in a rebalance that begins while their new id is being stored', async () => {
    const on = await bench();
    const { ids } = await staticGroup(on, 2);
    on.log.hold = true;
    const back = on.join({ groupInstanceId: 'i1' });
    await on.clock.settle();
    const leader = on.join({ memberId: ids[0]!, groupInstanceId: 'i0' });
    await on.clock.settle();
    // Both have joined, so the generation begins although its record is not written yet.
    expect(leader.response).toMatchObject({ errorCode: 0, generationId: 2 });
    expect(back.response).toMatchObject({ errorCode: 0, generationId: 2 });
    on.log.release();
    await on.clock.settle();
    expect(await on.state()).toBe('CompletingRebalance');
  });

  it('cause a rebalance when the strategy changes, or before the sync', async () => {
    const on = await bench();
    const join = on.join({ groupInstanceId: 'i0', protocols: protocols('range', 'sticky') });
    await on.clock.advance(250);
    await on.sync(join.response!.memberId, 1, {}, 'i0').done;
    const changed = await on.join({ groupInstanceId: 'i0', protocols: protocols('sticky') }).done;
    expect(changed).toMatchObject({ generationId: 2, protocolName: 'sticky' });
    const again = await on.join({ groupInstanceId: 'i0', protocols: protocols('sticky') }).done;
    expect(again).toMatchObject({ generationId: 3 });
  });

  it('stay in the group when they miss a rebalance, until their session ends', async () => {
    const on = await bench();
    const { ids } = await staticGroup(on, 2);
    const join = on.join({ memberId: ids[0]!, groupInstanceId: 'i0', rebalanceTimeoutMs: 4_000 });
    on.join({ memberId: ids[0]!, groupInstanceId: 'i0', rebalanceTimeoutMs: 4_000 });
    await on.clock.advance(5_000);
    expect(await join.done).toMatchObject({ errorCode: 27 });
    await on.clock.advance(4_000);
    expect(await on.state()).toBe('PreparingRebalance');
    await on.clock.advance(2_000);
    // The session of i1 has ended before the rebalance timeout that it asked for.
    expect(await on.state()).toBe('CompletingRebalance');
  });

  it('leave the lead to one that has joined when the leader misses a rebalance', async () => {
    const on = await bench();
    const { ids, leader } = await staticGroup(on, 2);
    const other = ids.find((id) => id !== leader)!;
    const instance = `i${ids.indexOf(other)}`;
    const join = on.join({ memberId: other, groupInstanceId: instance, protocols: protocols('range', 'sticky') });
    await on.clock.advance(5_000);
    for (const id of ids) await on.heartbeat(id, 1, `i${ids.indexOf(id)}`);
    expect(join.response).toBeUndefined();
    for (let i = 0; i < 5; i++) {
      await on.clock.advance(5_000);
      await on.heartbeat(leader, 1, `i${ids.indexOf(leader)}`);
    }
    expect(join.response).toMatchObject({ errorCode: 0, generationId: 2, leader: other });
    expect(join.response!.members).toHaveLength(2);
  });

  it('wait for each other as long as their sessions last, even if none of them joins', async () => {
    const on = await bench();
    const { ids } = await staticGroup(on, 2);
    const beat = async (ms: number): Promise<void> => {
      for (let passedMs = 0; passedMs < ms; passedMs += 5_000) {
        for (const [i, id] of ids.entries()) await on.heartbeat(id, 1, `i${i}`);
        await on.clock.advance(5_000);
      }
    };
    const { memberId } = await on.join().done;
    on.join({ memberId });
    await on.leave(memberId);
    await beat(70_000);
    expect(await on.state()).toBe('PreparingRebalance');
    const joins = ids.map((each, i) => on.join({ memberId: each, groupInstanceId: `i${i}` }));
    expect((await Promise.all(joins.map((join) => join.done))).map(({ generationId }) => generationId)).toEqual([2, 2]);
  });

  it('fence a former self that is parked', async () => {
    const on = await bench();
    const { ids } = await staticGroup(on, 2);
    const old = on.join({ memberId: ids[0]!, groupInstanceId: 'i0' });
    const back = on.join({ groupInstanceId: 'i0' });
    expect(await old.done).toMatchObject({ errorCode: 82, memberId: ids[0] });
    on.join({ memberId: ids[1]!, groupInstanceId: 'i1' });
    expect(await back.done).toMatchObject({ errorCode: 0, generationId: 2 });
  });

  it('can be removed by an administrator by instance id alone', async () => {
    const on = await bench();
    const { ids } = await staticGroup(on, 2);
    expect(await on.leave('', 'i1')).toBe(0);
    expect(await on.leave('', 'i1')).toBe(25);
    expect(await on.leave('')).toBe(25);
    expect(await on.heartbeat(ids[0]!, 1, 'i0')).toBe(27);
  });
});
