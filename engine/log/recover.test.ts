import { describe, expect, it } from 'vitest';
import type { StoreOp } from '../ports.ts';
import { batchOf, segmentsDirectory, topicA, World } from './log-fixture.suite.ts';
import { publishWal, type RecoverOptions } from './recover.ts';
import { directorySegments } from './directory-segments.ts';

const sessionRow = { pk: 'BROKER', sk: '1' };

/** Fences the session of broker 1 as one whose lease has lapsed: its process goes on. */
async function fence(world: World): Promise<RecoverOptions> {
  await world.rows.transact([{ op: 'put', key: sessionRow, value: '{"fenced":1}' }]);
  const { version } = (await world.rows.get(sessionRow))!;
  return {
    disk: world.disk,
    store: world.rows,
    clock: world.clock,
    random: world.random,
    settings: world.settings,
    brokerId: 1,
    sessionEpoch: world.sessionEpoch,
    volume: '/v1',
    segments: directorySegments(world.disk, segmentsDirectory),
    guard: (): StoreOp[] => [{ op: 'check', key: sessionRow, if: { version } }],
  };
}

describe('recovery of a session whose process still writes', () => {
  it('is not repeated once the row says that it is done: late batches are no part of the log', async () => {
    const world = new World();
    const store = await world.startSession();
    const zombie = await world.open(store);
    await world.append(zombie, batchOf(['a', 'b']));
    const options = await fence(world);
    const first = await world.run(publishWal(options));
    expect(first.segmentsPublished).toBe(1);
    // It sleeps no more. Whoever recovered it died before the removal, and the next one goes on from the row.
    world.mayAck = false;
    for (let i = 0; i < 60; i++) world.send(zombie, batchOf([`late ${i} ${'x'.repeat(60)}`]));
    await world.run(Promise.resolve());
    expect(world.disk.list(world.walDirectory).length).toBeGreaterThan(1);
    const again = await world.run(publishWal({ ...options, isPublished: true }));
    expect(again).toMatchObject({ logs: [], segmentsPublished: 0 });
    await world.run(again.cleanUp());
    expect(world.disk.exists(`/v1/wal/${options.sessionEpoch}`)).toBe(false);
    const next = await world.open(await world.startSession(), 9, {}, topicA);
    expect(await world.values(next)).toEqual(['a', 'b']);
  });

  it('removes a chunk that came after it was read', async () => {
    const world = new World();
    const store = await world.startSession();
    const zombie = await world.open(store);
    await world.append(zombie, batchOf(['a']));
    const options = await fence(world);
    const { cleanUp } = await world.run(publishWal(options));
    world.mayAck = false;
    for (let i = 0; i < 60; i++) world.send(zombie, batchOf([`late ${i} ${'x'.repeat(60)}`]));
    await world.run(Promise.resolve());
    await world.run(cleanUp());
    expect(world.disk.exists(`/v1/wal/${options.sessionEpoch}`)).toBe(false);
    const next = await world.open(await world.startSession(), 9, {}, topicA);
    expect(await world.values(next)).toEqual(['a']);
  });
});
