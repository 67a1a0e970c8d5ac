import { expect, it } from 'vitest';
import { batchOf, World } from '../log-fixture.suite.ts';

it('reads once more what a network brought wrong, for readers, merges and the next owner', async () => {
  const world = new World();
  world.reach = async () => undefined;
  const store = await world.startSession();
  const log = await world.open(store);
  for (const value of ['a', 'b']) {
    await world.append(log, batchOf([value]));
    await world.run(store.rollUp());
  }
  const spoil = async (): Promise<void> => {
    for (const { fileId } of await world.files()) world.spoiled.add(fileId);
  };
  await spoil();
  expect(await world.values(log)).toEqual(['a', 'b']);
  await world.run(store.release([log]));
  await spoil();
  const next = await world.open(store, 2);
  expect(await world.values(next)).toEqual(['a', 'b']);
  expect(world.fatal).toEqual([]);
  expect(store.scrub('status').damaged).toBe(0);
});
