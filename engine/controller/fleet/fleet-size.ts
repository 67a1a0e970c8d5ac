/**
 * Carries out what autoscale.ts decides and what operators want of the fleet as a whole, in the controller that keeps
 * it. A decision is written first (fleet-wish.ts), then carried out. The keeper of a wanted slot starts its broker. An
 * unwanted broker is drained and, once nothing is left on it, stopped; one that is wanted again before it is empty
 * stays. The next controller continues from the row. Progress is recorded in a row of its own, for the processes that
 * only look on.
 */
import { type Clock, sleep } from '../../kernel/clock.ts';
import { dimensions, wholeBroker } from '../../placement/load.ts';
import { autoscale, type ScaleDecision, scaleStart, type ScaleState } from './autoscale.ts';
import type { BrokerView } from '../brokers/brokers.ts';
import type { ControllerContext } from '../context.ts';
import type { FleetWish } from './fleet-wish.ts';
import { partitionCounts } from '../moves/plan-input.ts';
import type { ScalingShown } from '../rows/fleet-report.ts';

export interface FleetSizeHooks {
  /** Moves everything off, for as long as `isWanted`. Resolves with the number of partitions left. */
  drain(brokerId: number, reason: string, isWanted: () => boolean): Promise<number>;
  /** Stops the empty broker's process. */
  stop(brokerId: number): Promise<void>;
  even(): Promise<void>;
  /** Runs background work and reports its failure. */
  run(act: () => Promise<void>): void;
}

const pollMs = 50;

export class FleetSize {
  readonly #context: ControllerContext;
  readonly #wish: FleetWish;
  readonly #hooks: FleetSizeHooks;
  readonly #clock: Clock;
  readonly #retiring = new Set<number>();
  /** Evacuated zones, with the number of partitions nobody else could take. */
  #zones: ReadonlyMap<string, number> | undefined;
  #turn: Promise<void> = Promise.resolve();
  #isActing = false;
  /** Versions of the wish: the one behind the last decision, and the one that is carried out. */
  #seen = 0;
  #acted = 0;
  #state: ScaleState = scaleStart;
  #decision: ScaleDecision | undefined;
  #changedAtMs = 0;

  constructor(context: ControllerContext, wish: FleetWish, hooks: FleetSizeHooks) {
    this.#context = context;
    this.#wish = wish;
    this.#hooks = hooks;
    this.#clock = context.clock;
  }

  /** Makes one decision and begins what is still to be done. Throws the store's failures. */
  look(): Promise<void> {
    const looked = this.#turn.then(() => this.#look());
    this.#turn = looked.catch(() => undefined);
    return looked;
  }

  /** Carries out the current wish. Called on each change and periodically, so failed work begins again. */
  act(): void {
    if (this.#isActing || this.#context.isStopping()) return;
    if (this.#zones && this.#acted >= this.#wish.version) return;
    this.#isActing = true;
    this.#hooks.run(async () => {
      try {
        await this.#act();
      } finally {
        this.#isActing = false;
      }
    });
  }

  async #act(): Promise<void> {
    do {
      const { version } = this.#wish;
      await this.look();
      await this.#followZones();
      this.#acted = version;
      await this.#publish();
    } while (this.#acted < this.#wish.version && !this.#context.isStopping());
  }

  /**
   * A zone evacuated before this controller kept the fleet is emptied again: the previous keeper may not have finished.
   */
  async #followZones(): Promise<void> {
    const before = this.#zones;
    const { evacuated } = this.#wish.row;
    const zones = new Map<string, number>();
    for (const zone of evacuated) {
      if (before && !before.has(zone))
        this.#context.events.emit('zone-evacuated', 'requested by an operator', { zone });
      zones.set(zone, await this.#empty(zone));
    }
    const restored = [...(before?.keys() ?? [])].filter((zone) => !zones.has(zone));
    for (const zone of restored) this.#context.events.emit('zone-restored', 'requested by an operator', { zone });
    this.#zones = zones;
    if (restored.length > 0) await this.#hooks.even();
  }

  async #empty(zone: string): Promise<number> {
    let left = 0;
    for (const view of this.#context.brokers.all()) {
      if (view.slot.zone === zone) left += await this.#emptyBroker(view);
    }
    return left;
  }

  /**
   * A broker that does not serve right now does not count as empty: it will serve again with what it has, or its
   * recovery gives that to others.
   */
  async #emptyBroker(view: BrokerView): Promise<number> {
    const { settings } = this.#context;
    const { brokerId, zone } = view.slot;
    const deadlineMs = this.#clock.monotonicMs() + settings.fleetWaitMsMax;
    for (;;) {
      const left = await this.#hooks.drain(brokerId, 'zone-evacuated', () => this.#wish.isEvacuated(zone));
      const isOver = view.phase === 'serving' || view.unrecoverable || this.#clock.monotonicMs() >= deadlineMs;
      if (left === 0 || isOver || !this.#wish.isEvacuated(zone) || this.#context.isStopping()) return left;
      await sleep(this.#clock, pollMs);
    }
  }

  async #look(): Promise<void> {
    const { settings, events } = this.#context;
    const { brokers, override } = this.#wish.row;
    this.#seen = this.#wish.version;
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
      // Without the guard, two controllers with different bounds would undo each other's decisions when both believe
      // that the fleet is theirs.
      const guard = this.#context.slotOf && (() => this.#context.shards.unchanged(0));
      await this.#wish.change((row) => ({ ...row, brokers: decision.brokers }), guard);
      this.#changedAtMs = this.#clock.wallMs();
      const { dimension, share, reason } = decision;
      const usedPercent = Math.round(share * 100);
      const kind = decision.kind === 'out' ? 'fleet-scales-out' : 'fleet-scales-in';
      events.emit(kind, reason, { from: brokers, to: decision.brokers, dimension, usedPercent });
    }
    this.#retireUnwanted();
    await this.#publish();
  }

  async #publish(): Promise<void> {
    const left = Object.fromEntries(this.#zones ?? []);
    await this.#wish.publish({ seen: this.#seen, acted: this.#acted, left, scaling: this.shown() });
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
      // A failed drain begins again at the next look.
      this.#retire(view)
        .catch((cause: unknown) => this.#context.events.emit('scale-in-failed', String(cause), { brokerId }))
        .finally(() => this.#retiring.delete(brokerId));
    }
  }

  async #retire(view: BrokerView): Promise<void> {
    const { brokerId } = view.slot;
    const left = await this.#hooks.drain(brokerId, 'scale-in', () => !view.wanted);
    if (left === 0 && !view.wanted && view.phase === 'serving') await this.#hooks.stop(brokerId);
  }
}
