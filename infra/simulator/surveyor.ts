/**
 * A client that asks, without reading, where logs begin and end (ListOffsets), as tools do and consumers without a
 * position; which record a time belongs to, as a consumer does that goes back by the clock; and where an epoch ended
 * (OffsetForLeaderEpoch), as consumers do that check for truncation. Its answers are promises just as read records are: an
 * end that a later owner does not have was reported too early. It asks about one partition, or all of its topic at once.
 */
import { below, type Random } from '../../engine/kernel/random.ts';
import { make } from '../../engine/protocol/make.ts';
import { listOffsetsRequest, type ListOffsetsResponse } from '../../engine/protocol/messages/02-list-offsets.ts';
import { offsetForLeaderEpochRequest } from '../../engine/protocol/messages/23-offset-for-leader-epoch.ts';
import { claimedHoursMax } from './claimed-times.ts';
import { type Door, noAnswer } from './door.ts';
import type { AskedTime } from './history.ts';
import { partitionName } from './partition-name.ts';
import type { ToldLog } from './told.ts';
import type { SimTopic } from './topic-plan.ts';
import type { World } from './world.ts';

const askedTimes = { end: -1, start: -2, latest: -3 } as const;
/** One of so many questions is where an epoch ended; and one of so many is of all partitions. */
const epochOneOf = 4;
const allOneOf = 4;
/** In a healed world a client that asks for one thing so often gets an answer once. */
const asksMax = 6;
/** How far back it asks by the clock, and where records claim to be old one in three times. */
const backMsMax = 8000;
const farBackSMax = claimedHoursMax * 3600;

type Answer = ListOffsetsResponse['topics'][number]['partitions'][number];

interface Question {
  readonly index: number;
  readonly what: 'end' | 'start' | AskedTime;
  readonly asked: ToldLog;
}

export class Surveyor {
  readonly #world: World;
  readonly #door: Door;
  readonly #random: Random;
  readonly #topic: SimTopic;
  /** For each partition the latest epoch that it heard of. */
  readonly #epochs = new Map<number, number>();
  /** The offset of some record that it heard of. */
  #knownMs = 0;
  isStopped = false;
  /** Since the world works again, for each kind of request: how often it got no answer. */
  readonly #vain = new Map<string, number>();

  constructor(world: World, door: Door, topic: SimTopic) {
    this.#world = world;
    this.#door = door;
    this.#random = world.random();
    this.#topic = topic;
    this.#loop();
  }

  /** What it kept asking for when all was well, and was never told. */
  untold(): string[] {
    const never = [...this.#vain].filter(([, times]) => times >= asksMax);
    return this.#topic.isDeleted ? [] : never.map(([what]) => `of ${this.#topic.name} nobody is told ${what}`);
  }

  #count(what: string, isGood: boolean): void {
    if (!this.#world.isHealed) return;
    const times = this.#vain.get(what) ?? 0;
    // An answer holds for good.
    this.#vain.set(what, isGood ? -Infinity : times + 1);
  }

  #loop(): void {
    if (this.isStopped || this.#topic.isDeleted) return;
    const pauseMs = 40 + below(this.#random, 200);
    const isOfEpoch = below(this.#random, epochOneOf) === 0;
    this.#world.loop.schedule(pauseMs, () => (isOfEpoch ? this.#askEpoch() : this.#ask()));
  }

  #nameOf(index: number): string {
    return partitionName(this.#topic.topicId, index);
  }

  #askEpoch(): void {
    const { name, partitions } = this.#topic;
    const { history } = this.#world;
    const index = below(this.#random, partitions);
    const epoch = below(this.#random, 1 + (this.#epochs.get(index) ?? 0));
    const partition = this.#nameOf(index);
    const asked = history.told.of(partition);
    const request = make(offsetForLeaderEpochRequest, {
      topics: [{ topic: name, partitions: [{ partition: index, leaderEpoch: epoch }] }],
    });
    this.#door.request(
      ({ engine }) => engine.partitionRequest(23, request),
      (response) => {
        if (this.#isTold(response)) {
          const { errorCode, endOffset } = response.topics[0]!.partitions[0]!;
          this.#count('where an epoch ended', errorCode === 0);
          if (errorCode === 0) history.add({ kind: 'epoch-end', partition, epoch, endOffset, asked });
        }
        this.#loop();
      },
    );
  }

  #ask(): void {
    const { name, partitions } = this.#topic;
    const first = below(this.#random, partitions);
    const others = Array.from({ length: partitions - 1 }, (_, i) => (first + i + 1) % partitions);
    const isOfAll = below(this.#random, allOneOf) === 0;
    const questions = [first, ...(isOfAll ? others : [])].map((index) => this.#question(index));
    const request = make(listOffsetsRequest, {
      topics: [
        {
          name,
          partitions: questions.map(({ index, what }) => ({
            partitionIndex: index,
            timestamp: typeof what === 'number' ? what : askedTimes[what],
          })),
        },
      ],
    });
    const door = this.#door.next();
    door.request(
      ({ engine }) => engine.partitionRequest(2, request),
      (response) => {
        if (this.#isTold(response)) {
          const told = new Map(response.topics[0]!.partitions.map((each) => [each.partitionIndex, each]));
          for (const question of questions) this.#told(door, question, told.get(question.index)!);
        }
        this.#loop();
      },
    );
  }

  /** Of a topic that is deleted nothing can be asked: its name may be another's by now. */
  #isTold<T>(response: T | Error | typeof noAnswer): response is T {
    return response !== noAnswer && !(response instanceof Error) && !this.#topic.isDeleted;
  }

  #question(index: number): Question {
    const asked = this.#world.history.told.of(this.#nameOf(index));
    const kind = below(this.#random, 6);
    if (kind < 3) return { index, what: 'end', asked };
    if (kind === 3) return { index, what: 'start', asked };
    if (kind === 4 && below(this.#random, 3) === 0) return { index, what: 'latest', asked };
    // Errors by one show at a time that a record carries, or at the next millisecond.
    const isKnown = below(this.#random, 2) === 0;
    const { loop, settings } = this.#world;
    const isFar = settings.claimsTimes && below(this.#random, 3) === 0;
    const backMs = isFar ? 1000 * below(this.#random, farBackSMax) : below(this.#random, backMsMax);
    const timeMs = isKnown && !isFar ? this.#knownMs + below(this.#random, 2) : loop.wallMs - backMs;
    return { index, what: timeMs, asked };
  }

  #told(door: Door, { index, what, asked }: Question, { errorCode, offset, timestamp, leaderEpoch }: Answer): void {
    this.#count(typeof what === 'number' ? 'where a time is' : `its ${what}`, errorCode === 0);
    if (errorCode !== 0) return;
    const { history } = this.#world;
    const partition = this.#nameOf(index);
    this.#epochs.set(index, Math.max(leaderEpoch, this.#epochs.get(index) ?? 0));
    if (what === 'end' || what === 'start') {
      door.note({ kind: 'bound', partition, which: what, offset, leaderEpoch, asked });
      return;
    }
    if (offset >= 0) this.#knownMs = timestamp;
    history.add({ kind: 'time', partition, time: what, offset, timestampMs: timestamp, asked });
  }
}
