/** A batch refused for lack of room, and the producer's later batches, which a log that does not know the producer would accept. */
import { expect, it } from 'vitest';
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
