/**
 * What the append path knows about one partition: the appends that wait, in the order of their arrival, and those that
 * are with a broker. Pure bookkeeping; append.ts decides when to send.
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
  /** When it was first found that it cannot be sent, or came back; -1 before. */
  heldSinceMs: number;
  /** It was with a broker that never told its fate: whoever gives it up must not say that nothing happened. */
  mayBeStored: boolean;
  /** Its sender has been told something; what becomes of it now is told to nobody. */
  isTold: boolean;
  /** The last broker that had it has no room for it. */
  isRefusedForRoom: boolean;
  /** One before it, of its producer, was given up while this was with a broker: when it comes back it is not sent again. */
  followsGivenUp: boolean;
}

/** The appends of one partition in one Produce frame. */
export interface Flight {
  readonly frame: object;
  readonly route: AppendRoute;
  readonly items: Item[];
  /** Items answered so far: a broker answers repeated entries of a partition in order. */
  answered: number;
}

export class AppendRoute {
  readonly topicId: Uuid;
  readonly index: number;
  /** Waiting, by sequence. */
  queue: Item[] = [];
  queuedBytes = 0;
  readonly flights: Flight[] = [];
  /** Where the last items went: leader epoch and link. */
  sentEpoch = -2;
  sentLink: Link | undefined;
  /** The owner at (sentEpoch, sentLink) has accepted something. */
  proven = false;
  /** Something came back: nothing is sent until nothing is in flight. */
  draining = false;
  /** The epoch whose owner refused, to be asked again from retryAtMs on; a newer epoch may be asked at once. */
  refusedEpoch = -2;
  retryAtMs = 0;
  retryMs = 0;
  /** Since when a former owner's answer is awaited; -1 when none is. */
  staleSinceMs = -1;
  /** In the list that the end of this turn goes through. */
  isReady = false;
  /** In the list that is gone through while anything is in flight. */
  isLookedAfter = false;

  constructor(topicId: Uuid, index: number) {
    this.topicId = topicId;
    this.index = index;
  }

  get isIdle(): boolean {
    return this.queue.length === 0 && this.flights.length === 0;
  }

  /** Whether `link`, which leads to `owner`, may be given items: the two rules at the top of append.ts. */
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

  /** Puts an item that was sent back where its sequence belongs. */
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
   * Removes and returns what follows `givenUp` of the same idempotent producers. A broker takes the first batch of a
   * producer that it does not know whatever its sequence is: sent without their predecessors, these would be stored, and
   * the predecessors, which the producer sends again, refused for ever.
   */
  expelBehind(givenUp: readonly Item[]): Item[] {
    const producers = new Set<bigint>();
    for (const { append } of givenUp) if (append.idempotent) producers.add(producerOf(append));
    if (producers.size === 0) return [];
    return this.expel(({ append }) => append.idempotent && producers.has(producerOf(append)));
  }

  /** As expelBehind, for what is with a broker: whether it will be refused there shows later, and by then an owner may be there. */
  markBehind(givenUp: readonly Item[]): void {
    if (this.flights.length === 0) return;
    const firsts = new Map<bigint, number>();
    for (const { append, sequence } of givenUp) {
      if (!append.idempotent) continue;
      const producer = producerOf(append);
      firsts.set(producer, Math.min(sequence, firsts.get(producer) ?? sequence));
    }
    for (const { items } of this.flights) {
      for (const item of items) {
        const first = item.append.idempotent ? firsts.get(producerOf(item.append)) : undefined;
        if (first !== undefined && item.sequence > first) item.followsGivenUp = true;
      }
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

function producerOf({ records }: Append): bigint {
  return records.readBigInt64BE(batchField.producerId);
}
