import { expect, it } from 'vitest';
import type { Fleet } from '../../ports.ts';
import { fencedFleet } from './fenced-fleet.ts';

it("touches no process once the fleet is another's", async () => {
  const acts: string[] = [];
  const act = (what: string) => async (): Promise<void> => void acts.push(what);
  const fleet: Fleet = { start: act('start'), kill: act('kill'), stop: act('stop'), onExit: () => undefined };
  let isOurs = true;
  const fenced = fencedFleet(fleet, async () => isOurs);
  const slot = { brokerId: 1, zone: 'a', volume: '/v', address: '/s' };
  await fenced.start(slot);
  isOurs = false;
  await expect(fenced.start(slot)).rejects.toMatchObject({ code: 'not-owner' });
  await expect(fenced.kill(1)).rejects.toMatchObject({ code: 'not-owner' });
  await expect(fenced.stop(1, 0)).rejects.toMatchObject({ code: 'not-owner' });
  expect(acts).toEqual(['start']);
  expect('adopt' in fenced).toBe(false);
});
