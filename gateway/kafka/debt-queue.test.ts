import { describe, expect, it } from 'vitest';
import { type ManualClock, manualClock } from '../../engine/kernel/manual-clock.ts';
import { limitsOf } from '../../tenancy/quota/limits.ts';
import { ClusterLimiter } from '../../tenancy/quota/limiter.ts';
import type { GatewayContext } from '../context.ts';
import { DebtQueue } from './debt-queue.ts';

const one = 'c23456789abc';
const other = 'c23456789abd';

function world(): { clock: ManualClock; queue: DebtQueue; charge: (requests: number) => void } {
  const clock = manualClock();
  const limiter = new ClusterLimiter({ partitionBucketsMax: 10 });
  for (const id of [one, other]) {
    limiter.setCluster(id, limitsOf('unlimited', { requestsPerSecondMax: 100 }), { connections: 0 });
  }
  const queue = new DebtQueue({ clock, tenancy: { limiter } } as unknown as GatewayContext);
  return { clock, queue, charge: (requests) => void limiter.request(one, clock.monotonicMs(), requests) };
}

describe('large requests', () => {
  it('start at once when nothing is owed', () => {
    const { queue, charge } = world();
    expect(queue.turnOf(one)).toBeUndefined();
    charge(1_100);
    expect(queue.turnOf(other)).toBeUndefined();
    expect(queue.turnOf(one)).toBeInstanceOf(Promise);
  });

  it('start one after the other, each once the one before is paid for', async () => {
    const { clock, queue, charge } = world();
    const begun: number[] = [];
    const startMs = clock.monotonicMs();
    charge(200);
    for (let i = 0; i < 4; i++) {
      // Each counts as 50 requests, which take half a second.
      void queue.turnOf(one)!.then(() => {
        begun.push(clock.monotonicMs() - startMs);
        charge(50);
      });
    }
    await clock.advance(10_000);
    expect(begun.map(Math.round)).toEqual([1_000, 1_500, 2_000, 2_500]);
    expect(queue.turnOf(one)).toBeUndefined();
  });

  it('are refused when too many wait, or for too long', async () => {
    const { clock, queue, charge } = world();
    charge(200);
    let begun = 0;
    let refused = 0;
    for (let i = 0; i < 1_000; i++) {
      queue.turnOf(one)!.then(
        () => {
          begun++;
          charge(500);
        },
        () => refused++,
      );
    }
    expect(() => queue.turnOf(one)).toThrow('large requests of the cluster wait');
    await clock.advance(40_000);
    // One starts after a second, then one every five seconds until thirty.
    expect([begun, refused]).toEqual([6, 994]);
    expect(queue.turnOf(other)).toBeUndefined();
  });
});
