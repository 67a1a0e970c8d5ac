import { expect, it } from 'vitest';
import { SegmentsUnavailable } from '../../ports.ts';
import { checkSegments } from './check-segments.ts';
import { directorySegments } from './directory-segments.ts';
import { batchOf, segmentsDirectory, World } from '../log-fixture.suite.ts';

async function rolledUp(): Promise<World> {
  const world = new World();
  const store = await world.startSession();
  await world.append(await world.open(store), batchOf(['a']));
  await world.run(store.close());
  return world;
}

const persistence = ({ rows: store, clock, random }: World) => ({ store, clock, random });

it('accepts a new installation, and one whose segments are there', async () => {
  const empty = new World();
  await empty.run(checkSegments(persistence(empty), directorySegments(empty.disk, segmentsDirectory)));
  const world = await rolledUp();
  await world.run(checkSegments(persistence(world), directorySegments(world.disk, segmentsDirectory)));
});

it('throws if no segment is there, and says which one it looked for', async () => {
  const world = await rolledUp();
  const elsewhere = directorySegments(world.disk, '/elsewhere');
  await expect(world.run(checkSegments(persistence(world), elsewhere))).rejects.toThrow(
    /^\/elsewhere\/b000001-.*\.seg is missing, and so is every other segment/,
  );
});

it('accepts a store that does not answer, and one that has other segments', async () => {
  const world = await rolledUp();
  const local = directorySegments(world.disk, '/elsewhere');
  const away = (): never => {
    throw new SegmentsUnavailable('away');
  };
  await world.run(checkSegments(persistence(world), { ...local, open: away }));
  await world.run(checkSegments(persistence(world), { ...local, list: () => Promise.resolve(['lost']) }));
});
