/**
 * Carries out what autoscale.ts decides, in the controller that keeps the fleet. A decision is written first
 * (fleet-wish.ts), then done: a slot that is wanted is started by its keeper, one that is not is drained and, when nothing
 * is left on it, stopped. Who comes next goes on with the row. A broker that is wanted again before it is empty stays.
 */
import type { Clock } from '../kernel/clock.ts';
import { dimensions, wholeBroker } from '../placement/load.ts';
import { autoscale, type ScaleDecision, scaleStart, type ScaleState } from './autoscale.ts';
import type { BrokerView } from './brokers.ts';
import type { ControllerContext } from './context.ts';
import type { FleetWish } from './fleet-wish.ts';
import { partitionCounts } from './plan-input.ts';

export interface FleetSizeHooks {
  /** Moves everything off; resolves with how many partitions are left. */
  drain(brokerId: number, reason: string): Promise<number>;
  /** Ends the empty broker's process. */
  stop(brokerId: number): Promise<void>;
  even(): Promise<void>;
}

export interface ScalingShown {
  readonly brokers: number;
  readonly brokersMin: number;
  readonly brokersMax: number;
  /** Set by an operator; null while the load decides. */
  readonly override: number | null;
  readonly evacuatedZones: readonly string[];
  readonly decision: 'stay' | 'out' | 'in';
  readonly reason: string;
  readonly dimension: string;
  /** Used of the capacity, by dimension. */
  readonly shares: Readonly<Record<string, number>>;
  /** Wall time of the last decision to change the number; 0 when there was none. */
  readonly changedAtMs: number;
}

export class FleetSize {
  readonly #context: ControllerContext;
  readonly #wish: FleetWish;
  readonly #hooks: FleetSizeHooks;
  readonly #clock: Clock;
  readonly #retiring = new Set<number>();
  #state: ScaleState = scaleStart;
  #decision: ScaleDecision | undefined;
  #changedAtMs = 0;

  constructor(context: ControllerContext, wish: FleetWish, hooks: FleetSizeHooks) {
    this.#context = context;
    this.#wish = wish;
    this.#hooks = hooks;
    this.#clock = context.clock;
  }

  /** One decision, and a start on what is still to be done. Throws the store's failures. */
  async look(): Promise<void> {
    const { settings, events } = this.#context;
    const { brokers, override } = this.#wish.row;
    const { state, decision } = autoscale(
      this.#state,
      {
        brokers,
        zones: new Set([...this.#context.brokers.all()].map(({ slot }) => slot.zone)).size,
        load: this.#load(),
        settled: this.#isSettled(),
        override: override === 0 ? undefined : override,
      },
      this.#clock.monotonicMs(),
      settings.scale,
    );
    this.#state = state;
    this.#decision = decision;
    if (decision.kind !== 'stay') {
      await this.#wish.change((row) => ({ ...row, brokers: decision.brokers }));
      this.#changedAtMs = this.#clock.wallMs();
      const { dimension, share, reason } = decision;
      const usedPercent = Math.round(share * 100);
      const kind = decision.kind === 'out' ? 'fleet-scales-out' : 'fleet-scales-in';
      events.emit(kind, reason, { from: brokers, to: decision.brokers, dimension, usedPercent });
    }
    this.#retireUnwanted();
  }

  /** An operator's number, or 0: the load decides. */
  async set(override: number): Promise<void> {
    await this.#wish.change((row) => ({ ...row, override }));
    await this.look();
  }

  /** Empties the zone and keeps it empty. Resolves with how many partitions nobody else could take. */
  async evacuate(zone: string): Promise<number> {
    await this.#wish.change((row) => ({ ...row, evacuated: [...new Set([...row.evacuated, zone])].sort() }));
    this.#context.events.emit('zone-evacuated', 'asked by an operator', { zone });
    let left = 0;
    for (const { slot, phase } of this.#ofZone(zone)) {
      if (phase === 'serving') left += await this.#hooks.drain(slot.brokerId, 'zone-evacuated');
    }
    return left;
  }

  async restore(zone: string): Promise<void> {
    await this.#wish.change((row) => ({ ...row, evacuated: row.evacuated.filter((other) => other !== zone) }));
    this.#context.events.emit('zone-restored', 'asked by an operator', { zone });
    await this.#hooks.even();
  }

  shown(): ScalingShown {
    const { brokers, override, evacuated } = this.#wish.row;
    const { brokersMin, brokersMax } = this.#context.settings.scale;
    const load = this.#load();
    return {
      brokers,
      brokersMin,
      brokersMax,
      override: override === 0 ? null : override,
      evacuatedZones: evacuated,
      decision: this.#decision?.kind ?? 'stay',
      reason: this.#decision?.reason ?? 'just started',
      dimension: this.#decision?.dimension ?? dimensions[0],
      shares: Object.fromEntries(dimensions.map((name, d) => [name, load[d]! / wholeBroker / brokers])),
      changedAtMs: this.#changedAtMs,
    };
  }

  #load(): number[] {
    const sums = [0, 0, 0, 0];
    for (const load of this.#context.loads.byBroker().values()) for (let d = 0; d < 3; d++) sums[d]! += load[d]!;
    let partitions = 0;
    for (const count of partitionCounts(this.#context).values()) partitions += count;
    sums[3] = (partitions * wholeBroker) / this.#context.settings.partitionsPerBrokerMax;
    return sums;
  }

  #isSettled(): boolean {
    for (const view of this.#context.brokers.all()) {
      const idle = view.phase === 'idle';
      if (view.wanted ? view.phase !== 'serving' || view.draining || view.evacuated : !idle) return false;
    }
    return true;
  }

  #retireUnwanted(): void {
    for (const view of this.#context.brokers.all()) {
      const { brokerId } = view.slot;
      if (view.wanted || view.phase !== 'serving' || this.#retiring.has(brokerId)) continue;
      this.#retiring.add(brokerId);
      // A drain that fails is begun again at the next look.
      this.#retire(view)
        .catch((cause: unknown) => this.#context.events.emit('scale-in-failed', String(cause), { brokerId }))
        .finally(() => this.#retiring.delete(brokerId));
    }
  }

  async #retire(view: BrokerView): Promise<void> {
    const { brokerId } = view.slot;
    const left = await this.#hooks.drain(brokerId, 'scale-in');
    if (left === 0 && !view.wanted && view.phase === 'serving') await this.#hooks.stop(brokerId);
  }

  #ofZone(zone: string): BrokerView[] {
    return [...this.#context.brokers.all()].filter(({ slot }) => slot.zone === zone);
  }
}
