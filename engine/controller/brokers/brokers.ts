/**
 * The controller's view of the fleet, one entry per slot. In the controller that keeps the fleet, only the slot's
 * keeper (replace.ts) changes a phase. In the others, the phase follows the session row (broker-follow.ts):
 *
 *   idle -> starting -> serving -> dead -> (fenced, recovered, remapped, closed) -> idle
 */
import { assert } from '../../kernel/assert.ts';
import type { PlanBroker } from '../../placement/constraints.ts';
import type { BrokerSlot, Row, RowCondition, StoreOp } from '../../ports.ts';
import type { FleetWish } from '../fleet/fleet-wish.ts';
import { brokerSessionKey, type BrokerSession, decodeBrokerSession } from '../rows/broker-session.ts';
import { unlessDamaged } from '../../store-row-json.ts';

type BrokerPhase = 'idle' | 'starting' | 'serving' | 'dead';

export interface BrokerView {
  readonly slot: BrokerSlot;
  phase: BrokerPhase;
  /** As last read; undefined before the first session of the slot. */
  session: BrokerSession | undefined;
  /** Version of that row; 0 when there is none. */
  version: number;
  /** The slot should have a broker. A broker in an unwanted slot is drained and stopped. */
  wanted: boolean;
  /** Its zone is evacuated. */
  evacuated: boolean;
  /** An operator (or a restart) wants it empty, so it receives no more partitions. */
  draining: boolean;
  /** Partitions that planned moves are taking from it at the moment. */
  moving: number;
  /** Monotonic time of the last death, for the zone's verdict. */
  diedAtMs: number;
  /** While dead: everything it acknowledged is in segments, so others may take over its partitions. */
  recovered: boolean;
  /** While dead: what it acknowledged cannot be recovered until somebody mends the damage that its events name. */
  unrecoverable: boolean;
}

type Wish = Pick<FleetWish, 'isWanted' | 'isEvacuated' | 'isDraining'>;

export class BrokerTable {
  #views: ReadonlyMap<number, BrokerView>;
  #wish: Wish | undefined;

  constructor(slots: readonly BrokerSlot[]) {
    this.#views = inOrder(slots.map(newView));
    assert(this.#views.size === slots.length, 'broker ids are unique');
  }

  /** Adds a slot. */
  add(slot: BrokerSlot): void {
    assert(!this.#views.has(slot.brokerId), 'broker ids are unique');
    this.#views = inOrder([...this.#views.values(), newView(slot)]);
    if (this.#wish) this.wish(this.#wish);
  }

  /** Applies the wish to every slot. */
  wish(wish: Wish): void {
    this.#wish = wish;
    for (const view of this.#views.values()) {
      view.wanted = wish.isWanted(view.slot.brokerId);
      view.evacuated = wish.isEvacuated(view.slot.zone);
      view.draining = wish.isDraining(view.slot.brokerId);
    }
  }

  all(): Iterable<BrokerView> {
    return this.#views.values();
  }

  get(brokerId: number): BrokerView | undefined {
    return this.#views.get(brokerId);
  }

  isServing(brokerId: number): boolean {
    return this.#views.get(brokerId)?.phase === 'serving';
  }

  /** Whether the broker may be given partitions. */
  mayOwn(brokerId: number): boolean {
    const view = this.#views.get(brokerId);
    return view !== undefined && isOpen(view);
  }

  /**
   * Conditions for a write that gives partitions to these brokers or takes them away: their sessions must be unchanged.
   * Fencing, recovering or opening a session changes its row, and the write is then refused.
   */
  unchanged(brokerIds: Iterable<number>): StoreOp[] {
    const checks: StoreOp[] = [];
    for (const brokerId of brokerIds) {
      const view = this.#views.get(brokerId);
      if (view) checks.push({ op: 'check', key: brokerSessionKey(brokerId), if: rowIs(view.version) });
    }
    return checks;
  }

  /** Every wanted slot has a broker that serves, except slots that wait for somebody to mend damage. */
  allServe(): boolean {
    for (const { wanted, phase, unrecoverable } of this.#views.values()) {
      if (wanted && phase !== 'serving' && !unrecoverable) return false;
    }
    return true;
  }

  /** The serving broker with the lowest id; undefined when there is none. */
  anyServing(): number | undefined {
    for (const view of this.#views.values()) if (view.phase === 'serving') return view.slot.brokerId;
    return undefined;
  }

  /** Fewer than half of the wanted brokers serve. Each one that remains carries more, and its loss would hurt more. */
  fewServe(): boolean {
    const wanted = [...this.#views.values()].filter((view) => view.wanted);
    return wanted.filter(({ phase }) => phase === 'serving').length * 2 < wanted.length;
  }

  /** At least two brokers and half of the zone died within `windowMs`: the zone is what failed. */
  isZoneDown(zone: string, nowMs: number, windowMs: number): boolean {
    let total = 0;
    let dead = 0;
    for (const view of this.#views.values()) {
      if (view.slot.zone !== zone || !isPart(view)) continue;
      total++;
      if (view.phase !== 'serving' && nowMs - view.diedAtMs <= windowMs) dead++;
    }
    return dead >= 2 && dead * 2 >= total;
  }

  plan(partitionsMax: number): PlanBroker[] {
    return [...this.#views.values()].map((view) => ({
      brokerId: view.slot.brokerId,
      zone: view.slot.zone,
      serving: view.phase === 'serving',
      draining: !isOpen(view),
      zoneEvacuated: view.evacuated,
      partitionsMax,
    }));
  }
}

function newView(slot: BrokerSlot): BrokerView {
  return {
    slot,
    phase: 'idle',
    session: undefined,
    version: 0,
    wanted: true,
    evacuated: false,
    draining: false,
    moving: 0,
    diedAtMs: Number.NEGATIVE_INFINITY,
    recovered: true,
    unrecoverable: false,
  };
}

function inOrder(views: readonly BrokerView[]): ReadonlyMap<number, BrokerView> {
  const sorted = views.toSorted((a, b) => a.slot.brokerId - b.slot.brokerId);
  return new Map(sorted.map((view) => [view.slot.brokerId, view]));
}

function isOpen(view: BrokerView): boolean {
  const asked = view.wanted && !view.evacuated && !view.draining;
  return asked && view.phase === 'serving' && view.session?.state === 'serving';
}

/** Whether the slot has a broker, or should have one. */
export function isPart(view: BrokerView): boolean {
  return view.wanted || view.phase !== 'idle';
}

/**
 * Notes what the store says of the slot's session. Session rows are never deleted, so a version lower than the known
 * one is a late answer: it reached the keeper of an ended duty, while the slot has moved on under the next one. A damaged
 * row changes nothing: at the same version it is what is known, and at a later one every write conditional on the known
 * version is refused, until the slot's keeper has restored the row (restore-session.ts).
 */
export function noteSession(view: BrokerView, row: Row | undefined): void {
  if ((row?.version ?? 0) < view.version) return;
  const session = row && unlessDamaged(row, decodeBrokerSession);
  if (row && !session) return;
  view.session = session;
  view.version = row?.version ?? 0;
}

function rowIs(version: number): RowCondition {
  return version === 0 ? { absent: true } : { version };
}
