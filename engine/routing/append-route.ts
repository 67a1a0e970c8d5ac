/**
 * What the append path knows about one partition: the waiting appends, in order of arrival, and those that are with a
 * broker. Pure bookkeeping; append.ts decides when to send.
 */
import type { Append } from '../engine.ts';
import { assert } from '../kernel/assert.ts';
import type { Uuid } from '../kernel/uuid.ts';
import type { Link } from '../link/link.ts';
import { batchField } from '../records/batch.ts';
import type { Owner } from './owners.ts';

/** One append on its way. */
export interface Item {
  readonly append: Append;
  /** Order of arrival over all partitions. */
  readonly sequence: number;
  readonly arrivedMs: number;
  /** When it was first found unsendable, or came back; -1 before that. */
  heldSinceMs: number;
  /** It was with a broker that never reported the outcome. Giving it up must not claim that nothing happened. */
  mayBeStored: boolean;
  /** Its sender already has an answer. The later outcome is not reported. */
  isTold: boolean;
  /** The last broker it was sent to has no room for it. */
  isRefusedForRoom: boolean;
  /**
   * An earlier batch of its producer was given up while this one was with a broker. If this one comes back, it is not
   * sent again.
   */
  followsGivenUp: boolean;
}

/** The appends of one partition in one Produce frame. */
export interface Flight {
  readonly frame: object;
  readonly route: AppendRoute;
  readonly items: Item[];
  /** Items answered so far. A broker answers repeated entries of a partition in order. */
  answered: number;
}

export class AppendRoute {
  readonly topicId: Uuid;
  readonly index: number;
  /** Waiting items, by sequence. */
  queue: Item[] = [];
  queuedBytes = 0;
  readonly flights: Flight[] = [];
  /** Where the last items were sent: leader epoch and link. */
  sentEpoch = -2;
  sentLink: Link | undefined;
  /** The owner at (sentEpoch, sentLink) has accepted something. */
  proven = false;
  /** Something came back, so nothing is sent until nothing is in flight. */
  draining = false;
  /** The epoch whose owner refused. It is asked again from retryAtMs on; a newer epoch may be asked at once. */
  refusedEpoch = -2;
  retryAtMs = 0;
  retryMs = 0;
  /** Since when a former owner's answer is awaited; -1 when none is. */
  staleSinceMs = -1;
  /** In the list that is processed at the end of this turn. */
  isReady = false;
  /** In the list that is checked while anything is in flight. */
  isLookedAfter = false;

  constructor(topicId: Uuid, index: number) {
    this.topicId = topicId;
    this.index = index;
  }

  get isIdle(): boolean {
    return this.queue.length === 0 && this.flights.length === 0;
  }

  /** Whether items may be sent over `link`, which leads to `owner`: the two rules at the top of append.ts. */
  mayBeSent(owner: Owner, link: Link, nowMs: number): boolean {
    if (this.flights.length > 0) {
      if (this.draining || !this.proven) return false;
      if (owner.leaderEpoch !== this.sentEpoch || link !== this.sentLink) return false;
    }
    return owner.leaderEpoch !== this.refusedEpoch || nowMs >= this.retryAtMs;
  }

  push(item: Item): void {
    this.queue.push(item);
    this.queuedBytes += item.append.records.length;
  }

  /** Puts an item that was sent back into the queue at its sequence. */
  putBack(item: Item): void {
    let low = 0;
    let high = this.queue.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.queue[middle]!.sequence < item.sequence) low = middle + 1;
      else high = middle;
    }
    assert(this.queue[low]?.sequence !== item.sequence, 'an append is in one place only');
    this.queue.splice(low, 0, item);
    this.queuedBytes += item.append.records.length;
  }

  /** Takes the first `count` items off the queue. */
  take(count: number): Item[] {
    const taken = count === this.queue.length ? this.queue : this.queue.slice(0, count);
    this.queue = count === this.queue.length ? [] : this.queue.slice(count);
    for (const item of taken) this.queuedBytes -= item.append.records.length;
    return taken;
  }

  /** Removes and returns the items that `isOver` picks; the others keep their order. */
  expel(isOver: (item: Item) => boolean): Item[] {
    const over = this.queue.filter(isOver);
    if (over.length === 0) return over;
    this.queue = this.queue.filter((item) => !isOver(item));
    for (const item of over) this.queuedBytes -= item.append.records.length;
    return over;
  }

  /**
   * Removes and returns the items that follow `givenUp` from the same idempotent producers. A broker accepts the first
   * batch of an unknown producer whatever its sequence. If these items were sent without their predecessors, they would
   * be stored, and the predecessors, which the producer sends again, would be refused for ever. Items before those given
   * up stay, and so does the order: one that came back has often waited for less time than one that could never be sent.
   */
  expelBehind(givenUp: readonly Item[]): Item[] {
    const firsts = firstOfProducers(givenUp);
    return firsts.size === 0 ? [] : this.expel((item) => isBehind(item, firsts));
  }

  /**
   * Like expelBehind, for items with a broker. Whether that broker refuses them shows only later, when there may be an
   * owner again.
   */
  markBehind(givenUp: readonly Item[]): void {
    if (this.flights.length === 0) return;
    const firsts = firstOfProducers(givenUp);
    for (const { items } of this.flights) {
      for (const item of items) if (isBehind(item, firsts)) item.followsGivenUp = true;
    }
  }

  /** The flight of `frame`, which is the first in nearly all cases. */
  flightOf(frame: object): Flight | undefined {
    return this.flights.find((flight) => flight.frame === frame);
  }

  endFlight(flight: Flight): void {
    const at = this.flights.indexOf(flight);
    assert(at >= 0, 'a flight ends once');
    this.flights.splice(at, 1);
    if (this.flights.length > 0) return;
    this.staleSinceMs = -1;
    if (!this.draining) return;
    this.draining = false;
    this.proven = false;
  }
}

/** Of each idempotent producer, the sequence of its first item. */
function firstOfProducers(items: readonly Item[]): ReadonlyMap<bigint, number> {
  const firsts = new Map<bigint, number>();
  for (const { append, sequence } of items) {
    if (!append.idempotent) continue;
    const producer = producerOf(append);
    firsts.set(producer, Math.min(sequence, firsts.get(producer) ?? sequence));
  }
  return firsts;
}

function isBehind({ append, sequence }: Item, firsts: ReadonlyMap<bigint, number>): boolean {
  const first = append.idempotent ? firsts.get(producerOf(append)) : undefined;
  return first !== undefined && sequence > first;
}

function producerOf({ records }: Append): bigint {
  return records.readBigInt64BE(batchField.producerId);
}
