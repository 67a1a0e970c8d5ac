/**
 * The engine as its watchers see it, assembled from the reports of brokers, catalogue and controllers. It is rebuilt at
 * most a few times a second, however many watch, because it walks every partition.
 */
import type { BrokerEntry } from '../../engine/engine.ts';
import type { EngineShown } from './engine-schemas.ts';
import { eventId } from './event-ids.ts';
import type { AdminContext } from './options.ts';
import { type Placed, placedPartitions } from './routes/brokers.ts';
import { scalingShown } from './routes/fleet.ts';
import { placementShown, zonesOf } from './views.ts';

/**
 * The maximum age of an answer, and the same as a multiple of its build time: watchers take at most a twentieth of the
 * process.
 */
const ageMsMax = 250;
const ageTimesCostMax = 20;
const movesShownMax = 40;

export function engineState(admin: AdminContext): () => EngineShown {
  const { clock } = admin.context;
  let made: EngineShown | undefined;
  let goodUntilMs = 0;
  return () => {
    const nowMs = clock.monotonicMs();
    if (!made || nowMs >= goodUntilMs) {
      made = makeState(admin);
      const doneMs = clock.monotonicMs();
      goodUntilMs = doneMs + Math.max(ageMsMax, (doneMs - nowMs) * ageTimesCostMax);
    }
    return made;
  };
}

function makeState({ context, fleet, readiness }: AdminContext): EngineShown {
  const brokers = fleet.brokers();
  const zones = zonesOf(brokers);
  const last = fleet.events().at(-1);
  const scaling = fleet.scaling();
  const moves = new LatestMoves();
  let total = 0;
  let withoutOwner = 0;
  for (const placed of placedPartitions(context)) {
    total++;
    if (placed.entry.brokerId < 0) withoutOwner++;
    moves.add(placed);
  }
  const moving = brokers.reduce((sum, broker) => sum + (broker.moving ?? 0), 0);
  return {
    atMs: context.clock.wallMs(),
    ready: readiness.isReady(),
    lastEventId: last ? eventId(last) : null,
    zones: zonesShown(brokers),
    brokers: [...brokers],
    partitions: { total, withoutOwner, moving },
    moves: moves.list().map(({ clusterId, topic, internal, entry }) => ({
      clusterId,
      topic,
      internal,
      ...placementShown(entry, zones),
    })),
    controllers: [...fleet.controllers()],
    scaling: scaling ? scalingShown(scaling) : null,
    shards: fleet.shards().map(({ controllerId = null, ...shard }) => ({ controllerId, ...shard })),
  };
}

function zonesShown(brokers: readonly BrokerEntry[]): EngineShown['zones'] {
  const zones = new Map<string, EngineShown['zones'][number]>();
  for (const { zone, state, partitions } of brokers) {
    const entry = zones.get(zone) ?? { zone, state: 'down' as const, brokers: 0, serving: 0, partitions: 0 };
    entry.brokers++;
    if (state === 'serving' || state === 'draining') entry.serving++;
    entry.partitions += partitions;
    entry.state = entry.serving === 0 ? 'down' : entry.serving < entry.brokers ? 'degraded' : 'serving';
    zones.set(zone, entry);
  }
  return [...zones.values()].sort((a, b) => (a.zone < b.zone ? -1 : 1));
}

/** The last few of many, without sorting them all. A partition that is still where it was created has not moved. */
class LatestMoves {
  #kept: Placed[] = [];
  #sinceMs = Number.NEGATIVE_INFINITY;

  add(placed: Placed): void {
    const { reason, movedAtMs } = placed.entry;
    if (reason === 'created' || movedAtMs < this.#sinceMs) return;
    this.#kept.push(placed);
    if (this.#kept.length >= movesShownMax * 4) this.#cut();
  }

  list(): readonly Placed[] {
    this.#cut();
    return this.#kept;
  }

  #cut(): void {
    this.#kept = this.#kept.sort((a, b) => b.entry.movedAtMs - a.entry.movedAtMs).slice(0, movesShownMax);
    if (this.#kept.length === movesShownMax) this.#sinceMs = this.#kept.at(-1)!.entry.movedAtMs;
  }
}
