/**
 * In a quiet world readers wait at the ends of logs: of all partitions of a topic, of one, and of one for more bytes
 * than a record has. One record arrives, then another. A reader whose request is satisfied must hear at once, and no
 * reader earlier.
 */
import type { FetchedPartition } from '../../engine/engine.ts';
import { type Door, noAnswer } from './door.ts';
import type { Doors } from './doors.ts';
import { partitionName } from './partition-name.ts';
import { sendOne } from './send-one.ts';
import type { TopicRoom } from './topic-room.ts';
import type { SimTopic } from './topic-plan.ts';
import type { World } from './world.ts';

const waitMsMax = 4000;
/** From an acknowledgement to the answer that brings the record; some partition may just be moving to an evener place. */
const wakeMsMax = 1000;
const beforeMs = 300;
const betweenMs = 200;
/** More than a batch of one record, less than two. */
const twoBatchesBytes = 110;

interface Poll {
  readonly what: string;
  readonly indexes: readonly number[];
  readonly minBytes: number;
  readonly records: number;
}

export async function watchPolls(world: World, doors: Doors, { topics }: TopicRoom): Promise<void> {
  const { loop } = world;
  const watches = topics.filter(({ isDeleted }) => !isDeleted).map((topic) => new Watch(world, doors, topic));
  await loop.run(loop.nowMs + 2 * waitMsMax, () => watches.every(({ isOver }) => isOver));
}

class Watch {
  readonly #world: World;
  /** For who waits, and for who sends: another one, if there is. */
  readonly #door: Door;
  readonly #other: Door;
  readonly #topic: SimTopic;
  readonly #index: number;
  /** When the first and the second record were acknowledged; Infinity: not acknowledged, or unknown. */
  readonly #storedMs = [Infinity, Infinity];
  #open = 0;

  constructor(world: World, { all }: Doors, topic: SimTopic) {
    this.#world = world;
    this.#door = all[world.settings.seed % all.length]!;
    this.#other = all[(world.settings.seed + 1) % all.length]!;
    this.#topic = topic;
    this.#index = world.settings.seed % topic.partitions;
    this.#open++;
    this.#fetch({ what: '', indexes: this.#all, minBytes: 0, records: 0 }, undefined, 0, (fetched) => {
      if (fetched) this.#begin(fetched.map(({ highWatermark }) => highWatermark));
      this.#open--;
    });
  }

  get isOver(): boolean {
    return this.#open === 0;
  }

  get #all(): number[] {
    return Array.from({ length: this.#topic.partitions }, (_, index) => index);
  }

  #begin(ends: readonly number[]): void {
    const index = this.#index;
    const polls: Poll[] = [
      { what: 'all partitions', indexes: this.#all, minBytes: 1, records: 1 },
      { what: 'one partition', indexes: [index], minBytes: 1, records: 1 },
      { what: 'two batches', indexes: [index], minBytes: twoBatchesBytes, records: 2 },
    ];
    for (const poll of polls) {
      this.#open++;
      this.#fetch(poll, ends, waitMsMax, (fetched) => {
        this.#judge(poll, fetched);
        this.#open--;
      });
    }
    this.#send(0, beforeMs);
  }

  #send(at: number, afterMs: number): void {
    const { loop } = this.#world;
    this.#open++;
    loop.schedule(afterMs, () => {
      const send = {
        producer: 'quiet',
        as: 'plain',
        topic: this.#topic,
        index: this.#index,
        value: `quiet:${at}`,
      } as const;
      sendOne(this.#other, send, (code) => {
        if (code === 0) this.#storedMs[at] = loop.nowMs;
        if (code === 0 && at === 0) this.#send(1, betweenMs);
        this.#open--;
      });
    });
  }

  /** What is reported together with an error says nothing. */
  #judge({ what, records }: Poll, fetched: readonly FetchedPartition[] | undefined): void {
    const { loop, history, settings } = this.#world;
    if (!fetched) return;
    const dueMs = this.#storedMs[records - 1]! + wakeMsMax + 2 * settings.farMs;
    if (loop.nowMs <= dueMs) return;
    const name = partitionName(this.#topic.topicId, this.#index);
    const lateMs = Math.round(loop.nowMs - this.#storedMs[records - 1]!);
    history.add({
      kind: 'unwoken',
      what: `who waited for ${what} of ${name} was told ${lateMs} ms after it was stored`,
    });
  }

  #fetch(
    { what, indexes, minBytes }: Poll,
    ends: readonly number[] | undefined,
    maxWaitMs: number,
    told: (fetched: readonly FetchedPartition[] | undefined) => void,
  ): void {
    const { loop, history } = this.#world;
    const { topicId } = this.#topic;
    const asked = indexes.map((partition) => ({
      topicId,
      partition,
      offset: ends?.[partition] ?? history.told.of(partitionName(topicId, partition)).end,
      maxBytes: 100_000,
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
    }));
    const startMs = loop.nowMs;
    this.#door.request(
      ({ engine }) => engine.fetch(asked, { maxWaitMs, minBytes, maxBytes: 1_000_000 }),
      (result) => {
        const isGood =
          result !== noAnswer && !(result instanceof Error) && result.every(({ errorCode }) => errorCode === 0);
        if (!isGood) return told(undefined);
        let bytes = 0;
        for (const { records } of result) for (const each of records) bytes += each.length;
        const waitedMs = loop.nowMs - startMs;
        if (bytes < minBytes)
          history.add({ kind: 'poll', consumer: `quiet: ${what}`, waitedMs, maxWaitMs, bytes, minBytes });
        told(result);
      },
    );
  }
}
