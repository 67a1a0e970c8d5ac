/**
 * A client that deletes records (DeleteRecords) of logs that nothing else shortens, each time up to an offset of its
 * own. A deletion reported as done must be done, and nothing after that offset may go. It also deletes while the owner
 * of a log is asked to release it: a waiting deletion then finds a log that belongs to another broker.
 */
import { below, type Random, seededRandom } from '../../engine/kernel/random.ts';
import type { Door } from './door.ts';
import { beyondAnyEnd } from './judge-deletions.ts';
import { cutOne } from './cut-one.ts';
import { partitionName } from './partition-name.ts';
import type { SimTopic } from './topic-plan.ts';
import type { World } from './world.ts';

/** For the last deletion, counted from the request for the release: what a release takes, and a little more. */
const releaseMsMax = 40;
const wishesPerRelease = 3;
/** One deletion in so many wants more deleted than there is. */
const beyondOneOf = 8;

export class Cutter {
  readonly #world: World;
  readonly #door: Door;
  readonly #random: Random;
  readonly #mistakes: Random;
  readonly #topic: SimTopic;
  isStopped = false;

  constructor(world: World, door: Door, topic: SimTopic) {
    this.#world = world;
    this.#door = door;
    // A separate random stream, so that earlier seeds keep their histories.
    this.#random = seededRandom(Math.imul(world.settings.seed + 1, 0x2545f491) ^ topic.partitions);
    this.#mistakes = seededRandom(Math.imul(world.settings.seed + 1, 0x1b873593) ^ topic.partitions);
    this.#topic = topic;
    for (let i = 0; i < topic.partitions; i++) {
      world.onRelease(partitionName(topic.topicId, i), () => this.#released(i));
    }
    this.#loop();
  }

  /** Every end that any client was told, in every log, at once. */
  cutAll(): void {
    const { topicId, partitions, isDeleted } = this.#topic;
    if (this.isStopped || isDeleted) return;
    for (let i = 0; i < partitions; i++) {
      const { end } = this.#world.history.told.of(partitionName(topicId, i));
      if (end > 0) cutOne(this.#door, this.#topic, i, end, () => undefined);
    }
  }

  #released(index: number): void {
    for (let i = 0; i < wishesPerRelease; i++) {
      this.#world.loop.schedule(below(this.#random, releaseMsMax), () => {
        if (!this.isStopped && !this.#topic.isDeleted) this.#cutAt(index, () => undefined);
      });
    }
  }

  #loop(): void {
    if (this.isStopped || this.#topic.isDeleted) return;
    this.#world.loop.schedule(150 + below(this.#random, 900), () => this.#cut());
  }

  #cut(): void {
    if (this.isStopped || this.#topic.isDeleted) return;
    this.#cutAt(below(this.#random, this.#topic.partitions), () => this.#loop());
  }

  #cutAt(index: number, done: () => void): void {
    const { topicId } = this.#topic;
    const { start, end } = this.#world.history.told.of(partitionName(topicId, index));
    if (below(this.#mistakes, beyondOneOf) === 0) {
      // Or a little more than anybody was told of: that may be there, or written and not acknowledged.
      const isFar = below(this.#mistakes, 2) === 0;
      return cutOne(this.#door, this.#topic, index, isFar ? beyondAnyEnd : end + 1 + below(this.#mistakes, 8), done);
    }
    // Usually a few of the oldest, as after processing them; sometimes everything known, or what has already gone.
    const few = start + below(this.#random, 1 + Math.min(8, end - start));
    const to = below(this.#random, 6) === 0 ? below(this.#random, end + 1) : few;
    cutOne(this.#door, this.#topic, index, to, done);
  }
}
