/**
 * A Kafka client's idempotent producer (KIP-98) for one partition: a few batches in flight, sent again in order until
 * they are acknowledged. What it sends may therefore be asked for in full: every value once, in the order of sending.
 */
import { framePool } from '../../engine/kernel/frame-pool.ts';
import { below, type Random } from '../../engine/kernel/random.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
import { type Door, noAnswer } from './door.ts';
import { partitionName } from './partition-name.ts';
import type { SimTopic } from './topic-plan.ts';
import type { World } from './world.ts';

interface Batch {
  readonly values: readonly string[];
  readonly sequence: number;
  isInFlight: boolean;
  isAcked: boolean;
}

const inFlightMax = 5;
const retryMs = 60;

export class IdempotentProducer {
  readonly #world: World;
  readonly #door: Door;
  readonly #random: Random;
  readonly #topic: SimTopic;
  readonly #partition: number;
  readonly #name: string;
  #producerId = -1;
  #sequence = 0;
  #values = 0;
  /** Not acknowledged, oldest first. */
  #batches: Batch[] = [];
  /** One came back: nothing is sent until nothing is in flight, then all of them again. */
  #isDraining = false;
  isStopped = false;
  /** The topic is gone, or the producer is told that its sequence is broken. */
  isOver = false;

  constructor(world: World, door: Door, topic: SimTopic, partition: number, name: string) {
    this.#world = world;
    this.#door = door;
    this.#random = world.random();
    this.#topic = topic;
    this.#partition = partition;
    this.#name = name;
    this.#identify();
  }

  get isIdle(): boolean {
    return this.isOver || this.#batches.length === 0;
  }

  #identify(): void {
    this.#door.request(
      ({ engine }) => engine.allocateProducerId(),
      (id) => {
        if (typeof id === 'number') {
          this.#producerId = id;
          this.#loop();
        } else this.#world.loop.schedule(retryMs, () => this.#identify());
      },
    );
  }

  #loop(): void {
    if (this.isStopped || this.isOver) return;
    if (this.#batches.length < inFlightMax && !this.#isDraining) this.#add();
    this.#world.loop.schedule(15 + below(this.#random, 300), () => this.#loop());
  }

  #add(): void {
    const count = 1 + below(this.#random, 3);
    const values = Array.from({ length: count }, () => `${this.#name}:${this.#values++}`);
    const batch = { values, sequence: this.#sequence, isInFlight: false, isAcked: false };
    this.#sequence += count;
    this.#batches.push(batch);
    const partition = partitionName(this.#topic.topicId, this.#partition);
    this.#world.history.add({ kind: 'send', producer: this.#name, as: 'idempotent', partition, values });
    this.#send(batch);
  }

  #send(batch: Batch): void {
    batch.isInFlight = true;
    const { loop } = this.#world;
    const encoded = encodeBatch(
      batch.values.map((value) => ({ key: null, value: Buffer.from(value), timestampMs: loop.wallMs })),
      { producerId: this.#producerId, producerEpoch: 0, baseSequence: batch.sequence },
    );
    this.#door.call<{ code: number; offset: number }>(
      ({ engine }, answer) => {
        const records = framePool.gather([encoded]);
        engine.append({
          topicId: this.#topic.topicId,
          partition: this.#partition,
          records,
          idempotent: true,
          timeoutMs: 5000,
          done({ errorCode, baseOffset }, recordsAreFree) {
            if (recordsAreFree) framePool.give(records);
            answer({ code: errorCode, offset: baseOffset });
          },
        });
      },
      (result) => this.#told(batch, result === noAnswer ? { code: -1, offset: -1 } : result),
      8000,
    );
  }

  #told(batch: Batch, { code, offset }: { code: number; offset: number }): void {
    batch.isInFlight = false;
    const isNext = this.#batches[0] === batch;
    const partition = partitionName(this.#topic.topicId, this.#partition);
    const { values } = batch;
    this.#world.history.add({ kind: 'sent', producer: this.#name, partition, values, code, offset, isNext });
    if (code === 0) {
      batch.isAcked = true;
      this.#batches = this.#batches.filter((each) => !each.isAcked);
    } else if (this.#topic.isDeleted) {
      this.isOver = true;
      return;
    } else this.#isDraining = true;
    if (this.#isDraining && !this.#batches.some((each) => each.isInFlight)) this.#again();
  }

  #again(): void {
    this.#world.loop.schedule(retryMs + below(this.#random, retryMs), () => {
      this.#isDraining = false;
      for (const batch of this.#batches) this.#send(batch);
    });
  }
}
