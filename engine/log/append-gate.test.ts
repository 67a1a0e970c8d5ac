/** A batch refused for lack of room, and the producer's later batches, which a log that does not know the producer would accept. */
import { expect, it } from 'vitest';
import { sleep } from '../kernel/clock.ts';
import { SegmentsUnavailable } from '../ports.ts';
import { batchOf, World } from './log-fixture.suite.ts';
import { logErrorCode } from './log.ts';

const numbered = (sequence: number, producerId = 7): Buffer =>
  batchOf([`${sequence}`], 0, { producerId, producerEpoch: 0, baseSequence: sequence });

it('holds back the batches behind a first batch that found no room, until that batch returns', async () => {
  const world = new World({ freeBytesFloor: 1000, freeSpaceIntervalMs: 10 });
  const log = await world.open(await world.startSession());
  world.disk.isTaken = true;
  expect(await world.append(log, numbered(0))).toMatchObject({ errorCode: logErrorCode.volumeFull });
  world.disk.isTaken = false;
  await world.clock.advance(20);
  expect(await world.append(log, numbered(1))).toMatchObject({ errorCode: logErrorCode.kafkaStorageError });
  expect(await world.append(log, numbered(1, 8))).toMatchObject({ errorCode: 0, baseOffset: 0 });
  expect(await world.append(log, numbered(0))).toMatchObject({ errorCode: 0, baseOffset: 1 });
  expect(await world.append(log, numbered(1))).toMatchObject({ errorCode: 0, baseOffset: 2 });
});

it('holds back the batches behind a first batch whose write found no room', async () => {
  const world = new World({ freeBytesFloor: 0, freeSpaceIntervalMs: 10 });
  const log = await world.open(await world.startSession());
  await world.append(log, batchOf(['plain']));
  world.disk.plan({ on: 'write', error: 'full', afterBytes: 0 });
  expect((await world.append(log, numbered(0))).errorCode).not.toBe(0);
  await world.clock.advance(20);
  expect(await world.append(log, numbered(1))).toMatchObject({ errorCode: logErrorCode.kafkaStorageError });
  expect(await world.append(log, numbered(0))).toMatchObject({ errorCode: 0, baseOffset: 1 });
  expect(await world.append(log, numbered(1))).toMatchObject({ errorCode: 0, baseOffset: 2 });
});

it('takes what follows a batch that another owner has stored while the log was away', async () => {
  const world = new World({ freeBytesFloor: 1000, freeSpaceIntervalMs: 10 });
  const [one, two] = [await world.startSession(1), await world.startSession(2)];
  const first = await world.open(one, 2);
  world.disk.isTaken = true;
  expect(await world.append(first, numbered(0))).toMatchObject({ errorCode: logErrorCode.volumeFull });
  world.disk.isTaken = false;
  await world.clock.advance(20);
  await world.run(one.release([first]));
  const second = await world.open(two, 3);
  expect(await world.append(second, numbered(0))).toMatchObject({ errorCode: 0 });
  await world.run(two.release([second]));
  const third = await world.open(one, 4);
  expect(await world.append(third, numbered(1))).toMatchObject({ errorCode: 0, baseOffset: 1 });
});

it('refuses what waits for a roll-up that never comes, and takes it when there is room again', async () => {
  const world = new World({ rollUpBytes: 1024, unrolledBytesMax: 1024, waitingMsMax: 3000 });
  let isAway = true;
  world.reach = async () => {
    if (isAway) throw new SegmentsUnavailable('away');
  };
  const store = await world.startSession();
  const log = await world.open(store);
  while (store.status().unrolledBytes < 1024) await world.append(log, batchOf(['x'.repeat(100)]));
  const end = log.endOffset;
  const waiting = [world.send(log, numbered(0)), world.send(log, numbered(1)), world.send(log, numbered(0, 8))];
  await world.clock.advance(2900);
  expect(waiting.flat()).toEqual([]);
  await world.clock.advance(200);
  const refused = {
    errorCode: logErrorCode.kafkaStorageError,
    errorMessage: expect.stringContaining('cannot be rolled up'),
  };
  expect(waiting.flat()).toMatchObject([refused, refused, refused]);
  expect(store.status().waitingAppends).toBe(0);
  expect(await world.append(log, numbered(0))).toMatchObject(refused);
  expect(await world.values(log)).toHaveLength(end);
  isAway = false;
  await world.clock.advance(2000);
  expect(await world.append(log, numbered(1))).toMatchObject({ errorCode: logErrorCode.kafkaStorageError });
  for (const [i, batch] of [numbered(0), numbered(1), numbered(0, 8)].entries()) {
    expect(await world.append(log, batch)).toMatchObject({ errorCode: 0, baseOffset: end + i });
  }
  expect(world.fatal).toEqual([]);
});

it('goes on waiting while roll-ups make room, however slowly', async () => {
  const world = new World({ rollUpBytes: 1024, unrolledBytesMax: 1024, waitingMsMax: 3000 });
  world.reach = (what) => sleep(world.clock, what === 'put' ? 2000 : 0);
  const log = await world.open(await world.startSession());
  const outcomes = Array.from({ length: 60 }, (_, i) => world.send(log, batchOf([`${i}`.padEnd(100, '.')])));
  await world.clock.advance(30_000);
  expect(outcomes.flat().map(({ errorCode }) => errorCode)).toEqual(Array.from({ length: 60 }, () => 0));
});
