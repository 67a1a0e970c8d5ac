import { describe, expect, it } from 'vitest';
import { DiskFull } from '../../ports.ts';
import { volumeFullCode } from '../../protocol/error-codes.ts';
import { bench, stableGroup } from './coordinator.suite.ts';

describe('group coordinator', () => {
  it('takes one member from join to heartbeat, commit and fetch', async () => {
    const on = await bench();
    const first = await on.join().done;
    expect(first).toMatchObject({ errorCode: 79, generationId: -1, leader: '', protocolName: null });
    expect(first.memberId).toMatch(/^app-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const { memberId } = first;
    const join = on.join({ memberId });
    await on.clock.settle();
    expect(join.response).toBeUndefined();
    expect(await on.state()).toBe('PreparingRebalance');
    await on.clock.advance(250);
    expect(join.response).toMatchObject({ errorCode: 0, generationId: 1, leader: memberId, memberId });
    expect(join.response).toMatchObject({ protocolType: 'consumer', protocolName: 'range', skipAssignment: false });
    expect(join.response!.members).toHaveLength(1);
    const sync = await on.sync(memberId, 1, { [memberId]: 'mine' }).done;
    expect(sync).toMatchObject({ errorCode: 0, protocolType: 'consumer', protocolName: 'range' });
    expect(Buffer.from(sync.assignment).toString()).toBe('mine');
    expect(await on.heartbeat(memberId, 1)).toBe(0);
    expect(await on.commit(17, { memberId, generation: 1 })).toBe(0);
    expect(await on.fetch()).toBe(17);
  });

  it('keeps members and offsets over a move without a rebalance', async () => {
    const on = await bench();
    const { ids, generation } = await stableGroup(on, 3);
    await on.commit(5, { memberId: ids[1]!, generation });
    on.coordinator.close();
    const next = await bench({ on });
    expect(await next.state()).toBe('Stable');
    for (const id of ids) expect(await next.heartbeat(id, generation)).toBe(0);
    const sync = await next.sync(ids[2]!, generation).done;
    expect(Buffer.from(sync.assignment).toString()).toBe(ids[2]);
    expect(await next.fetch()).toBe(5);
  });

  it('leaves its successor little to read, however often an offset was committed', async () => {
    const on = await bench();
    const commits = 30_000;
    for (let offset = 1; offset <= commits; offset++) await on.commit(offset);
    let read = 0;
    await on.log.replay(() => (read += 1));
    expect(read).toBeLessThan(commits / 2);
    const next = await bench({ on });
    expect(await next.fetch()).toBe(commits);
  });

  it('serves known state while its log has no room, and refuses changes', async () => {
    const on = await bench();
    const { ids, generation } = await stableGroup(on, 2);
    const by = (offset: number) => on.commit(offset, { memberId: ids[0]!, generation });
    expect(await by(5)).toBe(0);
    on.log.failWith = new DiskFull('no space');
    for (const offset of [6, 7]) expect(await by(offset)).toBe(volumeFullCode);
    expect(await on.commit(1, { groupId: 'another' })).toBe(volumeFullCode);
    const newGroup = on.join({ groupId: 'third', version: 3 });
    await on.clock.advance(300);
    expect(newGroup.response?.errorCode).toBe(volumeFullCode);
    expect(await on.fetch()).toBe(5);
    for (const id of ids) expect(await on.heartbeat(id, generation)).toBe(0);
    expect(await on.state()).toBe('Stable');
    expect(on.coordinator.groupCount()).toBe(1);
    const successor = await bench({ on });
    expect([await successor.state(), await successor.fetch()]).toEqual(['Stable', 5]);

    on.log.failWith = undefined;
    expect(await by(8)).toBe(0);
    expect([await on.fetch(), await on.state()]).toEqual([8, 'Stable']);
  });

  it('completes a generation once there is room again', async () => {
    const on = await bench();
    const { ids, generation } = await stableGroup(on, 1);
    await on.commit(5, { memberId: ids[0]!, generation });
    on.log.failWith = new DiskFull('no space');
    const again = on.join({ memberId: ids[0]! });
    await on.clock.settle();
    const next = again.response!.generationId;
    expect((await on.sync(ids[0]!, next, {}).done).errorCode).toBe(volumeFullCode);
    expect(await on.fetch()).toBe(5);
    on.log.failWith = undefined;
    const last = await on.join({ memberId: ids[0]! }).done;
    expect((await on.sync(ids[0]!, last.generationId, {}).done).errorCode).toBe(0);
    expect(await on.commit(6, { memberId: ids[0]!, generation: last.generationId })).toBe(0);
  });
});
