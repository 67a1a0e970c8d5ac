/**
 * A Kafka client's idempotent producer (KIP-98) for one partition: a few batches in flight, sent again in order until
 * they are acknowledged. The checker may therefore require every value once, in the order of sending.
 *
 * Now and then it gives up its unacknowledged batches and continues under the next epoch of its id (KIP-360): what it
 * gave up may be stored or not, but never after what it sent since. One of four numbers its batches like a sender over
 * HTTP, under an id that carries its age, over several connections: they overtake each other, and none may be accepted
 * out of turn. In half of the worlds the others are one client for all partitions of their cluster, with one id.
 */
import { framePool } from '../../engine/kernel/frame-pool.ts';
import { below, type Random, seededRandom } from '../../engine/kernel/random.ts';
import type { Timer } from '../../engine/kernel/clock.ts';
import { sequencePlus } from '../../engine/log/fold/producer-state.ts';
import { datedProducerId } from '../../engine/records/dated-producer-id.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
import { ClaimedAges, claimedMs } from './claimed-times.ts';
import { type Door, noAnswer } from './door.ts';
import { partitionName } from './partition-name.ts';
import { compressed } from './recoding.ts';
import type { SharedId } from './shared-id.ts';
import { valueOf } from './value.ts';
import type { SimTopic } from './topic-plan.ts';
import type { World } from './world.ts';

interface Batch {
  /** Counts ids and epochs of the producer. */
  readonly life: number;
  readonly producer: string;
  readonly values: readonly string[];
  readonly sequence: number;
  /** What its records claim. */
  readonly ageMs: number;
  /** Nothing before it was without its acknowledgement when it was sent. */
  wasNext: boolean;
  isInFlight: boolean;
  isAcked: boolean;
}

interface Told {
  readonly code: number;
  readonly offset: number;
  readonly startOffset?: number;
  readonly leftMs?: number;
}

const inFlightMax = 5;
const batchesMax = 8;
const retryMs = 60;
const shortTimeoutMs = 100;
/** How much longer a request over a separate connection takes than another. */
const overtakenMsMax = 25;
/** Of 2^31 sequences the last. */
const sequenceMax = 2 ** 31 - 1;
/** An id begins so near to it, at most, where it does (WorldSettings). */
const nearEndMax = 5;
/** Records of the first batch of a burst; later batches have fewer. */
const burstMin = 12;
/** One in this many repeats is given up instead. */
const giveUpOneOf = 6;

export class IdempotentProducer {
  readonly #world: World;
  readonly #doors: Door;
  /** To which it keeps while anything is in flight: what it sends has to come in order. */
  #door: Door;
  readonly #random: Random;
  readonly #topic: SimTopic;
  readonly #partition: number;
  readonly #label: string;
  /** Its batches travel over several connections. */
  readonly #isDated: boolean;
  /** Of a request, as it says; one of three has less than others are held for. */
  readonly #timeoutMs: number = 5000;
  readonly #ages: ClaimedAges;
  /** Of the client that it is a part of. */
  readonly #shared: SharedId | undefined;
  #name: string;
  #names = 0;
  #life = 0;
  /** As it was given; a dated id carries its age as well. */
  #givenId = -1;
  #producerId = -1;
  #epoch = 0;
  #sequence = 0;
  /** Records under the present epoch. */
  #sent = 0;
  #values = 0;
  /** After this many batches another producer takes its place, once all of them are acknowledged. */
  #batchesLeft = 0;
  /** To the next batch; undefined while a producer id is asked for. */
  #next: Timer | undefined;
  /** In flight, of a life before this one. */
  #strays = 0;
  #burstAtMs: number | undefined;
  /** Not acknowledged, oldest first. */
  #batches: Batch[] = [];
  /** One came back: nothing is sent until nothing is in flight, then all of them again. */
  #isDraining = false;
  isStopped = false;
  /** The topic is gone, or the producer is told that its sequence is broken. */
  isOver = false;

  constructor(world: World, door: Door, topic: SimTopic, partition: number, name: string, shared?: SharedId) {
    this.#world = world;
    this.#doors = door;
    this.#door = door.next();
    this.#random = world.random();
    this.#topic = topic;
    this.#partition = partition;
    this.#label = this.#name = name;
    this.#isDated = below(this.#random, 4) === 0;
    this.#shared = this.#isDated ? undefined : shared;
    // From a separate stream, so that earlier seeds keep their histories.
    const random = seededRandom(Math.imul(world.settings.seed + 1, 0x7f4a7c15) ^ (topic.partitions << 8) ^ partition);
    if (below(random, 3) === 0) this.#timeoutMs = shortTimeoutMs + below(random, shortTimeoutMs);
    this.#ages = new ClaimedAges(world.settings.claimsTimes ? random : undefined);
    this.#identify();
  }

  get isIdle(): boolean {
    return this.isOver || (this.#batches.length === 0 && this.#strays === 0);
  }

  #identify(): void {
    this.#next = undefined;
    const before = this.#givenId;
    const known = this.#shared?.after(before);
    if (known !== undefined) {
      // Not at once, because the caller is in the middle of a loop.
      this.#world.loop.schedule(0, () => this.#identified(before, known));
      return;
    }
    this.#doors.next().request(
      ({ engine }) => engine.allocateProducerId(),
      (id) => {
        if (this.isStopped) return;
        if (typeof id === 'number') this.#identified(before, id);
        else this.#world.loop.schedule(retryMs, () => this.#identify());
      },
    );
  }

  #identified(before: number, id: number): void {
    if (this.isStopped) return;
    this.#givenId = this.#shared?.settle(before, id) ?? id;
    this.#begin(this.#givenId);
    this.#loop();
  }

  /**
   * The client dies, and another takes its place at once, with an id of its own or the next epoch of the same: nobody
   * asks again for what is not acknowledged. With `burstAtMs` it has another id, and everything that the producer may
   * have in flight leaves at that moment.
   */
  restart(burstAtMs?: number): void {
    if (this.isStopped || this.isOver || !this.#next) return;
    this.#next.cancel();
    this.#giveUp();
    this.#burstAtMs = burstAtMs;
    if (burstAtMs !== undefined || below(this.#random, 2) === 0) this.#identify();
    else {
      this.#nextEpoch();
      this.#loop();
    }
  }

  #giveUp(): void {
    this.#strays += this.#batches.filter(({ isInFlight }) => isInFlight).length;
    this.#batches = [];
    this.#isDraining = false;
    this.#life++;
  }

  #begin(producerId: number): void {
    this.#producerId = this.#isDated ? datedProducerId(producerId, this.#world.loop.wallMs) : producerId;
    this.#epoch = -1;
    this.#name = `${this.#label}.${this.#names++}`;
    this.#values = 0;
    this.#life++;
    this.#nextEpoch();
    // A broker accepts any sequence of a producer that it does not know: some producers are about to start over at 0.
    // An id that carries its age tells it better.
    const isNearEnd = !this.#isDated && producerId % this.#world.settings.nearEndOneOf === 0;
    if (isNearEnd) this.#sequence = sequenceMax - (producerId % nearEndMax);
  }

  /** Its values continue the numbering: all values of one name lie in one order. */
  #nextEpoch(): void {
    this.#epoch++;
    this.#sent = 0;
    this.#sequence = 0;
    this.#batchesLeft = 2 + below(this.#random, batchesMax);
  }

  #loop(): void {
    if (this.isStopped || this.isOver) return;
    if (this.#burstAtMs !== undefined) return this.#burst(this.#burstAtMs);
    if (this.#batchesLeft === 0) {
      // The last batches of one are acknowledged before the first of the next is sent: an order for all of them.
      if (this.#batches.length === 0) return this.#identify();
    } else if (this.#batches.length < inFlightMax && !this.#isDraining && this.#isInFocus()) this.#add();
    // The first ones of a producer follow each other at once: they then wait in one queue.
    const isEarly = this.#batchesLeft > 0 && this.#sent < 6;
    const pauseMs = isEarly ? below(this.#random, 60) : 15 + below(this.#random, 500);
    this.#next = this.#world.loop.schedule(this.#world.pauseMs(this.#random, pauseMs), () => this.#loop());
  }

  #burst(atMs: number): void {
    this.#burstAtMs = undefined;
    this.#next = this.#world.loop.schedule(Math.max(0, atMs - this.#world.loop.nowMs), () => {
      this.#batchesLeft = inFlightMax;
      this.#add(burstMin + below(this.#random, burstMin));
      while (this.#batchesLeft > 0 && this.#batches.length < inFlightMax) this.#add(1 + below(this.#random, burstMin));
      this.#loop();
    });
  }

  #isInFocus(): boolean {
    return this.#world.inFocus([partitionName(this.#topic.topicId, this.#partition)]).length > 0;
  }

  #add(count = 1 + below(this.#random, 3)): void {
    this.#batchesLeft--;
    const values = Array.from({ length: count }, () => valueOf(this.#name, this.#values++));
    const [life, producer, sequence] = [this.#life, this.#name, this.#sequence];
    const ageMs = this.#ages.next();
    const batch = { life, producer, values, sequence, ageMs, wasNext: false, isInFlight: false, isAcked: false };
    this.#sequence = sequencePlus(this.#sequence, count);
    this.#sent += count;
    this.#batches.push(batch);
    const partition = partitionName(this.#topic.topicId, this.#partition);
    this.#world.history.add({
      kind: 'send',
      producer,
      as: 'idempotent',
      partition,
      values,
      ...(ageMs > 0 ? { ageMs } : {}),
    });
    this.#send(batch);
  }

  #send(batch: Batch): void {
    batch.isInFlight = true;
    batch.wasNext = this.#batches[0] === batch;
    const { loop } = this.#world;
    const leftMs = loop.nowMs;
    const plain = encodeBatch(
      batch.values.map((value, i) => ({
        key: null,
        value: Buffer.from(value),
        timestampMs: claimedMs(loop.wallMs, batch.ageMs, i),
      })),
      { producerId: this.#producerId, producerEpoch: this.#epoch, baseSequence: batch.sequence },
    );
    const door = this.#isDated ? this.#doors.next() : this.#door;
    // Some are compressed, a repeat as what it repeats; and those behind them may be ready before.
    const encoded = this.#topic.isRecoded && batch.values.length > 1 ? compressed(plain) : plain;
    door.call<Told>(
      ({ engine }, answer) => {
        const records = framePool.gather([encoded]);
        engine.append({
          topicId: this.#topic.topicId,
          partition: this.#partition,
          records,
          idempotent: true,
          timeoutMs: this.#timeoutMs,
          done({ errorCode, baseOffset, logStartOffset }, recordsAreFree) {
            if (recordsAreFree) framePool.give(records);
            answer({ code: errorCode, offset: baseOffset, startOffset: logStartOffset });
          },
        });
      },
      (result) => this.#told(door, batch, { ...(result === noAnswer ? { code: -1, offset: -1 } : result), leftMs }),
      8000,
      this.#isDated ? below(this.#random, overtakenMsMax) : 0,
    );
  }

  #told(door: Door, batch: Batch, outcome: Told): void {
    const { code } = outcome;
    batch.isInFlight = false;
    // An overtaken answer may have been given before those acknowledged since.
    const isNext = this.#batches[0] === batch && (!this.#isDated || batch.wasNext);
    const partition = partitionName(this.#topic.topicId, this.#partition);
    const { life, producer, values } = batch;
    door.note({ kind: 'sent', producer, partition, values, ...outcome, isNext });
    if (life !== this.#life) {
      this.#strays--;
      return;
    }
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
    const life = this.#life;
    this.#world.loop.schedule(retryMs + below(this.#random, retryMs), () => {
      if (life !== this.#life) return;
      if (!this.isStopped && below(this.#random, giveUpOneOf) === 0) {
        this.#giveUp();
        return this.#nextEpoch();
      }
      this.#isDraining = false;
      this.#door = this.#doors.next();
      for (const batch of this.#batches) this.#send(batch);
    });
  }
}
