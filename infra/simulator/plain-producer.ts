/**
 * Producers that send once and never again: one with batches of its own, one through the gateway's record producer (which
 * HTTP and WebSocket use). Without an answer they do not know the outcome; with one, the value must stay.
 */
import { below, type Random, seededRandom } from '../../engine/kernel/random.ts';
import { ClaimedAges } from './claimed-times.ts';
import type { Door } from './door.ts';
import { partitionName } from './partition-name.ts';
import { sendOne } from './send-one.ts';
import { valueOf } from './value.ts';
import type { SimTopic } from './topic-plan.ts';
import type { World } from './world.ts';

/** One of so many has little time, while there are faults: it is over while a broker has the batch, or before one does. */
const hastyOneOf = 4;
const hastyTimeoutMs = 150;

export class PlainProducer {
  readonly #world: World;
  readonly #door: Door;
  readonly #random: Random;
  readonly #topic: SimTopic;
  readonly #as: 'plain' | 'gateway';
  readonly #name: string;
  readonly #ages: ClaimedAges;
  #count = 0;
  #inFlight = 0;
  isStopped = false;

  constructor(world: World, door: Door, topic: SimTopic, as: 'plain' | 'gateway', name: string) {
    this.#world = world;
    this.#door = door;
    this.#random = world.random();
    this.#topic = topic;
    this.#as = as;
    this.#name = name;
    // The gateway stamps what goes through its own producer.
    const { claimsTimes, seed } = world.settings;
    const random = seededRandom(Math.imul(seed + 1, 0x5bd1e995) ^ topic.partitions);
    this.#ages = new ClaimedAges(claimsTimes && as === 'plain' ? random : undefined);
    this.#loop();
  }

  get isIdle(): boolean {
    return this.#inFlight === 0;
  }

  #loop(): void {
    if (this.isStopped || this.#topic.isDeleted) return;
    const { topicId, partitions } = this.#topic;
    const all = Array.from({ length: partitions }, (_, index) => partitionName(topicId, index));
    const open = this.#world.inFocus(all);
    if (this.#door.isOpen() && this.#inFlight < 6 && open.length > 0) {
      this.#send(all.indexOf(open[below(this.#random, partitions) % open.length]!));
    }
    this.#world.loop.schedule(this.#world.pauseMs(this.#random, 15 + below(this.#random, 360)), () => this.#loop());
  }

  #send(index: number): void {
    this.#inFlight++;
    const value = valueOf(this.#name, this.#count++);
    const isHasty = !this.#world.isHealed && this.#count % hastyOneOf === 0;
    const timeout = isHasty ? { timeoutMs: hastyTimeoutMs } : {};
    const ageMs = this.#ages.next();
    const send = { producer: this.#name, as: this.#as, topic: this.#topic, index, value, ageMs, ...timeout };
    sendOne(this.#door, send, () => this.#inFlight--);
  }
}
