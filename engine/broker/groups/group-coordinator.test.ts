import { describe, expect, it } from 'vitest';
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
});
