/** Faults that are short scripts (fault-scripts.ts) of worlds whose segments are in a bucket. */
import type { BrokerProcess } from './broker-process.ts';
import { type BucketMood, goodBucket } from './bucket.ts';
import type { FaultActs } from './fault-acts.ts';
import type { Fault } from './fault-plan.ts';
import type { PartitionName } from './history.ts';

const awayMs = 6000;
const moveAfterMs = 50;
/** From the first attempt to move: its pause, and what a gateway holds for longest. */
const settledMs = 3500;
/** Faults of this long before may last. */
const calmMs = 6000;

function moodOf(value: number): BucketMood {
  switch (value % 4) {
    case 0:
      return { ...goodBucket, isReadOnly: true };
    case 1:
      return { ...goodBucket, awayPercent: 100, giveUpMs: 200 + value * 4 };
    case 2:
      return { ...goodBucket, slowMs: 2000 + value };
    default:
      return { ...goodBucket, awayPercent: 100 };
  }
}

/**
 * A broker is to give its logs away while the bucket is away, does not answer in time, or takes nothing. The move is put
 * off, and its partitions take records, as long as nothing else happens and there is room.
 */
export function moveWhileAway(acts: FaultActs, broker: BrokerProcess | undefined, { value }: Fault): void {
  const { world } = acts;
  if (!broker || !world.bucket) return;
  const partitions = acts.partitionsOf(broker.slot.brokerId);
  const beganMs = world.loop.nowMs;
  const isQuietBefore = faultsSince(acts, beganMs - calmMs) === 0;
  acts.bucketMood(moodOf(value), awayMs);
  world.loop.schedule(moveAfterMs, () => {
    acts.planned(value % 8 < 4 ? 'restart' : 'drain', broker.slot.brokerId - 1, awayMs + 1000);
    const ours = faultsSince(acts, beganMs);
    world.loop.schedule(settledMs, () => {
      world.focus = { partitions: new Set(partitions), untilMs: beganMs + awayMs };
    });
    world.loop.schedule(awayMs - moveAfterMs - 1, () => {
      if (!isQuietBefore || faultsSince(acts, beganMs) > ours || world.isHealed) return;
      if (broker.waitsForRoom()) return;
      const silent = unacked(acts, partitions, beganMs + moveAfterMs + settledMs);
      if (silent.length === 0) return;
      const what = `${broker.process.name} was to give ${silent.join(', ')} away, could not, and acknowledged nothing`;
      world.history.add({ kind: 'unsettled', what });
    });
  });
}

function faultsSince({ world }: FaultActs, sinceMs: number): number {
  return world.history.entries.filter(({ kind, atMs }) => kind === 'fault' && atMs >= sinceMs).length;
}

function unacked({ world }: FaultActs, partitions: readonly PartitionName[], sinceMs: number): PartitionName[] {
  const acked = new Set<PartitionName>();
  for (const entry of world.history.entries)
    if (entry.kind === 'acked' && entry.atMs >= sinceMs) acked.add(entry.partition);
  return partitions.filter((partition) => !acked.has(partition));
}
