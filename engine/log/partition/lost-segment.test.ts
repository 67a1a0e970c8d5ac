/** A log whose last segment cannot be read any more: its file was cut short, or is missing. */
import { expect, it } from 'vitest';
import { batchOf, segmentsDirectory, topicA, topicB, World } from '../log-fixture.suite.ts';
import { logPk } from '../rows/log-state.ts';
import { segmentSkPrefix } from '../rows/segment.ts';

const producers = Array.from({ length: 20 }, (_, i) => 100 + i);

/** A dead broker with two logs: a file each for the first segments, one file for the last ones, and more in the log. */
async function deadBroker(): Promise<{ world: World; lastFile: string }> {
  const world = new World({ mergeBytesMax: 0 });
  const store = await world.startSession();
  const logs = [await world.open(store), await world.open(store, undefined, {}, topicB)];
  const files = (): string[] => world.disk.list(segmentsDirectory);
  let before: string[] = [];
  for (let i = 0; i < 3; i++) {
    // More producers than the row of a segment has room for: what is known of them lies in the file.
    for (const producerId of producers) {
      await world.append(
        logs[0]!,
        batchOf([`${i}.${producerId}`], 1000, { producerId, producerEpoch: 0, baseSequence: i }),
      );
    }
    await world.append(logs[1]!, batchOf([`${i}`]));
    if (i === 1) before = files();
    if (i < 2) await world.run(store.rollUp());
  }
  const [lastFile] = files().filter((name) => !before.includes(name));
  world.crash('all');
  return { world, lastFile: `${segmentsDirectory}/${lastFile!}` };
}

const wholeAgain = (world: World, path: string, bytes: Buffer): void => {
  if (world.disk.exists(path)) world.disk.remove(path);
  world.disk.create(path).writeSync([bytes], 0);
};

it.each(['cut short', 'missing'])(
  'costs what it holds, and neither the log nor the other logs, when it is %s',
  async (how) => {
    const { world, lastFile } = await deadBroker();
    const bytes = Buffer.alloc(world.disk.open(lastFile).sizeBytes());
    world.disk.open(lastFile).readSync(bytes, 0);
    world.disk.remove(lastFile);
    if (how === 'cut short') world.disk.create(lastFile).writeSync([bytes.subarray(0, 40)], 0);
    expect(await world.recover()).toMatchObject({ segmentsPublished: 2 });
    const store = await world.startSession();
    const log = await world.open(store, 9);
    const other = await world.open(store, 9, {}, topicB);
    expect([log.startOffset, log.highWatermark]).toEqual([0, 60]);
    const codes = await Promise.all(
      [0, 19, 20, 39, 40, 59].map(async (offset) => (await world.read(log, offset)).errorCode),
    );
    expect(codes).toEqual([0, 0, 56, 56, 0, 0]);
    expect((await world.read(other, 2)).errorCode).toBe(0);
    // Its producers go on: those that the log was recovered with are known, and so is what they send again.
    const repeat = batchOf(['2.100'], 1000, { producerId: 100, producerEpoch: 0, baseSequence: 2 });
    expect(await world.append(log, repeat)).toMatchObject({ errorCode: 0, baseOffset: 40 });
    const next = batchOf(['3.100'], 1000, { producerId: 100, producerEpoch: 0, baseSequence: 3 });
    expect(await world.append(log, next)).toMatchObject({ errorCode: 0, baseOffset: 60 });
    await world.run(store.close());
    expect(world.fatal).toEqual([]);
    wholeAgain(world, lastFile, bytes);
    const restored = await world.open(await world.startSession(), 10, {}, topicA);
    expect(await world.values(restored)).toHaveLength(61);
  },
);

it('is waited for when no segment file is there at all', async () => {
  const { world } = await deadBroker();
  const files = world.disk.list(segmentsDirectory).map((name) => `${segmentsDirectory}/${name}`);
  const kept = files.map((path) => {
    const bytes = Buffer.alloc(world.disk.open(path).sizeBytes());
    world.disk.open(path).readSync(bytes, 0);
    world.disk.remove(path);
    return bytes;
  });
  await expect(world.recover()).rejects.toMatchObject({ code: 'disk-fault' });
  for (const [i, path] of files.entries()) wholeAgain(world, path, kept[i]!);
  expect(await world.recover()).toMatchObject({ segmentsPublished: 2 });
});

it('records whose row is lost are an error to those who read them, and not passed over', async () => {
  const world = new World({ mergeBytesMax: 0 });
  const first = await world.startSession();
  const before = await world.open(first);
  for (let i = 0; i < 9; i++) {
    await world.append(before, batchOf([`${i}`]));
    if (i % 3 === 2) await world.run(first.rollUp());
  }
  await world.run(first.close());
  const pk = logPk(topicA, 0);
  const rows = (await world.rows.range(pk)).rows.filter(({ sk }) => sk.startsWith(segmentSkPrefix));
  expect(rows).toHaveLength(3);
  await world.rows.transact([{ op: 'delete', key: { pk, sk: rows[1]!.sk } }]);
  const log = await world.open(await world.startSession(), 9);
  expect([log.startOffset, log.highWatermark]).toEqual([0, 9]);
  const codes = await Promise.all([0, 2, 3, 5, 6, 8].map(async (offset) => (await world.read(log, offset)).errorCode));
  expect(codes).toEqual([0, 0, 56, 56, 0, 0]);
  // A gateway that reads the segments itself asks for their places.
  expect(log.locate(0, 1 << 20).map(({ baseOffset }) => baseOffset)).toEqual([0]);
  expect(log.locate(4, 1 << 20)).toEqual([]);
  expect(log.locate(6, 1 << 20).map(({ baseOffset }) => baseOffset)).toEqual([6]);
  expect(world.fatal).toEqual([]);
});
