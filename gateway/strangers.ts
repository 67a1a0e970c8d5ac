/**
 * Chooses which unauthenticated connection leaves a full door so that a new one may come in. An honest client takes
 * milliseconds to authenticate, or a few hundred over a long way, while a flood that never does always offers connections
 * to choose from.
 *
 * It is not simply the oldest. If a flood fills the door in less than a client's round trips, no distant client would ever
 * finish. A few connections are drawn. Of these it cuts first one of a crowd (an address with more than a certain part of
 * all strangers), then one whose TLS handshake has not ended, then the oldest. So young connections are nearly safe, and of
 * those that need longer than the flood takes to replace a full door some come through. A crowd is not the address with the
 * most: many honest clients may share one.
 */
import { below, type Random } from '../engine/kernel/random.ts';

/** How many are drawn, however many there are. */
const drawnMax = 8;
/** An address with more than this part of all strangers is a crowd. */
const crowdPart = 1 / 8;

interface Stranger<T> {
  readonly who: T;
  readonly address: string;
  /** Lower is older. */
  readonly number: number;
  hasShakenHands: boolean;
  place: number;
}

export class Strangers<T> {
  readonly #random: Random;
  /** Unordered, so that each can be drawn and removed in constant time. */
  readonly #all: Stranger<T>[] = [];
  readonly #of = new Map<T, Stranger<T>>();
  readonly #ofAddress = new Map<string, number>();
  #numbered = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  get size(): number {
    return this.#all.length;
  }

  add(who: T, address: string): void {
    const stranger = { who, address, number: this.#numbered++, hasShakenHands: false, place: this.#all.length };
    this.#all.push(stranger);
    this.#of.set(who, stranger);
    this.#ofAddress.set(address, (this.#ofAddress.get(address) ?? 0) + 1);
  }

  shookHands(who: T): void {
    const stranger = this.#of.get(who);
    if (stranger) stranger.hasShakenHands = true;
  }

  /** Gone, or authenticated. */
  delete(who: T): void {
    const stranger = this.#of.get(who);
    if (!stranger) return;
    this.#of.delete(who);
    const last = this.#all.pop()!;
    if (last !== stranger) {
      last.place = stranger.place;
      this.#all[last.place] = last;
    }
    const left = this.#ofAddress.get(stranger.address)! - 1;
    if (left > 0) this.#ofAddress.set(stranger.address, left);
    else this.#ofAddress.delete(stranger.address);
  }

  /** The connection that must leave. Undefined: there is none. */
  choose(): T | undefined {
    const { length } = this.#all;
    let chosen: Stranger<T> | undefined;
    for (let i = 0; i < Math.min(length, drawnMax); i++) {
      const drawn = this.#all[length <= drawnMax ? i : below(this.#random, length)]!;
      if (!chosen || this.#leavesBefore(drawn, chosen)) chosen = drawn;
    }
    return chosen?.who;
  }

  #leavesBefore(one: Stranger<T>, other: Stranger<T>): boolean {
    const isOfCrowd = this.#isOfCrowd(one);
    if (isOfCrowd !== this.#isOfCrowd(other)) return isOfCrowd;
    if (one.hasShakenHands !== other.hasShakenHands) return other.hasShakenHands;
    return one.number < other.number;
  }

  #isOfCrowd({ address }: Stranger<T>): boolean {
    return this.#ofAddress.get(address)! > this.#all.length * crowdPart;
  }
}
