import { expect, it } from 'vitest';
import type { PartitionLog } from '../log/log.ts';
import { World } from '../log/log-fixture.suite.ts';
import { coordinatorLog, CoordinatorLogFull, CoordinatorLogLost } from './coordinator-log.ts';
import { AppendUnsure } from './groups/coordinator-log.ts';

const record = (text: string) => ({ key: Buffer.from(text), value: null });

it('tells a full disk from an append of unknown outcome, and continues when there is room', async () => {
  const world = new World({ freeSpaceIntervalMs: 10 });
  const store = await world.startSession();
  const log = await world.open(store);
  const coordinator = coordinatorLog(log, world.clock);
  world.disk.plan({ on: 'write', error: 'full', afterBytes: 10 });
  // Part of this record reached the disk and may be found there.
  await expect(world.run(coordinator.append([record('a')]))).rejects.toBeInstanceOf(AppendUnsure);
  await expect(world.run(coordinator.append([record('b')]))).rejects.toBeInstanceOf(CoordinatorLogFull);
  await world.clock.advance(10);
  await world.run(coordinator.append([record('c')]));
  const keys: string[] = [];
  await world.run(coordinator.replay(({ key }) => keys.push(Buffer.from(key).toString())));
  expect(keys).toEqual(['c']);

  await world.run(store.release([log]));
  await expect(world.run(coordinator.append([record('d')]))).rejects.toBeInstanceOf(CoordinatorLogLost);

  const lost = coordinatorLog(await world.open(store, 2), world.clock);
  world.disk.plan({ on: 'datasync', error: 'io' });
  const dying = lost.append([record('e')]);
  await world.clock.advance(10);
  await expect(world.run(lost.append([record('f')]))).rejects.toBeInstanceOf(AppendUnsure);
  void dying;
});

it('gives up the log when a read makes no progress', async () => {
  const world = new World();
  const log = await world.open(await world.startSession());
  const coordinator = coordinatorLog(log, world.clock);
  await world.run(coordinator.append([record('a')]));
  const first = await world.read(log, 0);
  await world.run(coordinator.append([record('b')]));
  const stuck = Object.create(log, { read: { value: () => first } }) as PartitionLog;
  Object.defineProperties(stuck, {
    startOffset: { value: 0 },
    highWatermark: { value: log.highWatermark },
  });
  const replay = coordinatorLog(stuck, world.clock).replay(() => undefined);
  await expect(world.run(replay)).rejects.toBeInstanceOf(CoordinatorLogLost);
});
