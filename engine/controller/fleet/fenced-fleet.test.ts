import { expect, it } from 'vitest';
import type { Fleet } from '../../ports.ts';
import { ShardLost } from '../shards/shards.ts';
import { fencedFleet } from './fenced-fleet.ts';

const slot = { brokerId: 1, zone: 'a', volume: '/v1', address: 'one' };

class Told implements Fleet {
  readonly calls: string[] = [];
  async start(): Promise<void> {
    this.calls.push('start');
  }
  async kill(): Promise<void> {
    this.calls.push('kill');
  }
  async stop(): Promise<void> {
    this.calls.push('stop');
  }
  onExit(): void {
    this.calls.push('onExit');
  }
}

class ToldAll extends Told {
  async standby(): Promise<void> {
    this.calls.push('standby');
  }
  prepare(): void {
    this.calls.push('prepare');
  }
  onHung(): void {
    this.calls.push('onHung');
  }
}

it('touches no process once another controller keeps the fleet', async () => {
  const fleet = new Told();
  let isOurs = true;
  const fenced = fencedFleet(fleet, async () => isOurs);
  const acts = [() => fenced.start(slot), () => fenced.kill(1), () => fenced.stop(1, 10)];
  for (const act of acts) await act();
  expect(fleet.calls).toEqual(['start', 'kill', 'stop']);
  isOurs = false;
  for (const act of acts) await expect(act()).rejects.toBeInstanceOf(ShardLost);
  expect(fleet.calls).toHaveLength(3);
});

it('offers the same calls as the fleet, and no others', async () => {
  const fleet = new ToldAll();
  const fenced = fencedFleet(fleet, async () => false);
  await fenced.standby?.(1);
  fenced.prepare?.();
  fenced.onHung?.(() => undefined);
  fenced.onExit(() => undefined);
  expect(fleet.calls).toEqual(['standby', 'prepare', 'onHung', 'onExit']);
  expect(fenced).toMatchObject({ adopt: undefined, runs: undefined });
  expect(fencedFleet(new Told(), async () => true)).toMatchObject({ standby: undefined, prepare: undefined });
});
