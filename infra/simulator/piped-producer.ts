/**
 * A client without sequences that has many requests in flight to one partition over one connection: acknowledged
 * records have to lie in the order of sending, and no broker can notice if they do not. It works when that matters,
 * while the owner of its partition is asked to release it: its requests meet the former owner, the pause and the next
 * owner.
 */
import { below, type Random, seededRandom } from '../../engine/kernel/random.ts';
import type { Door } from './door.ts';
import type { PartitionName } from './history.ts';
import { partitionName } from './partition-name.ts';
import { sendOne } from './send-one.ts';
import type { SimTopic } from './topic-plan.ts';
import { valueOf } from './value.ts';
import type { World } from './world.ts';

const inFlightMax = 30;
/** How long a release and the move after it usually take. */
const busyMs = 60;
/** From one request to the next, at most. */
const paceMsMax = 4;

export class PipedProducer {
  readonly #world: World;
  readonly #door: Door;
  readonly #random: Random;
  readonly #topic: SimTopic;
  readonly #index: number;
  readonly #partition: PartitionName;
  readonly #name: string;
  #count = 0;
  #inFlight = 0;
  #untilMs = 0;
  #isBusy = false;
  isStopped = false;

  constructor(world: World, door: Door, topic: SimTopic, index: number, name: string) {
    this.#world = world;
    this.#door = door;
    // A separate stream, so that earlier seeds keep their histories.
    this.#random = seededRandom(Math.imul(world.settings.seed + 1, 0x61c88647) ^ (index << 8));
    this.#topic = topic;
    this.#index = index;
    this.#partition = partitionName(topic.topicId, index);
    this.#name = name;
    world.onRelease(this.#partition, () => this.#begin());
  }

  get isIdle(): boolean {
    return this.#inFlight === 0;
  }

  #begin(): void {
    this.#untilMs = this.#world.loop.nowMs + busyMs;
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#loop();
  }

  #loop(): void {
    const { loop } = this.#world;
    if (this.isStopped || this.#topic.isDeleted || loop.nowMs >= this.#untilMs) {
      this.#isBusy = false;
      return;
    }
    const isOpen = this.#door.isOpen() && this.#world.inFocus([this.#partition]).length > 0;
    if (isOpen && this.#inFlight < inFlightMax) this.#send();
    loop.schedule((1 + below(this.#random, paceMsMax * 2)) / 2, () => this.#loop());
  }

  #send(): void {
    this.#inFlight++;
    const value = valueOf(this.#name, this.#count++);
    const send = { producer: this.#name, as: 'plain' as const, topic: this.#topic, index: this.#index, value };
    sendOne(this.#door, send, () => this.#inFlight--);
  }
}
