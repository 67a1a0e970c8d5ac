/**
 * Limits that no world reaches at their production values: on what a gateway holds, on the frames that it sends, on
 * what its sockets accept, and on what a broker keeps at hand to read segments. In a seventh of the worlds, and in more
 * of those that need it, there is room for only a few batches.
 */
import { below, seededRandom } from '../../engine/kernel/random.ts';
import { linkDefaults } from '../../engine/link/link.ts';
import type { LogSettings } from '../../engine/log/settings.ts';
import { type RoutingSettings, routingDefaults } from '../../engine/routing/settings.ts';
import { seamlessHoldMs } from './quiet-move.ts';

export interface TightLimits {
  readonly routing: Partial<RoutingSettings>;
  readonly log: Partial<LogSettings>;
  /** The buffered bytes from which a socket reports that it is full, until all of them have left. */
  readonly socketBytesMax: number;
}

const roomy: TightLimits = { routing: {}, log: {}, socketBytesMax: 64 * 1024 };
/** Of a batch of three records. */
const batchBytes = 160;
/** Of the first one of a burst: what is larger than all that may be held is never taken. */
const burstBatchBytes = 640;
/** The lowest value that a log accepts for its limits. */
const fewLogBytes = 1024;

/** Whose mixes have `stranded-batches`. */
const burstScenarios: readonly string[] = ['full', 'seldom'];

const oneOf: Readonly<Record<string, number>> = { full: 2, far: 3 };

/** From a separate random stream, so that earlier seeds keep their histories. */
export function drawLimits(seed: number, scenario: string, holdMsMax: number): TightLimits {
  const random = seededRandom(seed ^ 0x7167);
  if (below(random, oneOf[scenario] ?? 7) > 0) return roomy;
  const few = (): number => batchBytes * (1 + below(random, 5));
  const socketBytesMax = few();
  const largestBytes = burstScenarios.includes(scenario) ? burstBatchBytes : 0;
  const held = { heldBytesPerPartitionMax: largestBytes + few(), heldBytesMax: 2 * largestBytes + 4 * few() };
  const waiting = { rollUpBytes: fewLogBytes, unrolledBytesMax: fewLogBytes, waitingBytesMax: fewLogBytes };
  // Who moves logs without being noticed has to have room for what waits meanwhile.
  const isSeamless = holdMsMax >= seamlessHoldMs;
  return {
    socketBytesMax,
    routing: {
      produceBytesMax: few(),
      // A log has to be read to its end in the time that there is, also from far away.
      ...(scenario === 'rot' ? {} : { pollBytesMax: 4 * few(), readBytesMax: 4 * few() }),
      keptBytesMax: few(),
      link: { ...linkDefaults, bufferedBytesMax: socketBytesMax, queuedBytesMax: 20 * few() },
      ...(isSeamless ? {} : held),
    },
    log: {
      openFilesMax: 1 + below(random, 3),
      indexCacheBytesMax: below(random, 2) * 200,
      syncReadBytesMax: below(random, 2) * 300,
      recentSegmentMs: below(random, 2) * 300,
      ...(isSeamless ? {} : waiting),
    },
  };
}

export function routingSettings({ routing }: TightLimits, holdMsMax: number): RoutingSettings {
  return { ...routingDefaults, ...routing, holdMsMax };
}
