/** A reader that follows the partitions of a topic from their start, in one fetch for all or in one fetch each. */
import type { FetchedPartition } from '../../engine/engine.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { recordBytes } from '../../engine/routing/fetch-message.ts';
import { baseOffset, batchesIn, batchSizeBytes, leaderEpoch } from '../../engine/records/batch.ts';
import { forEachRecord } from '../../engine/records/decode.ts';
import { finalConsumer } from './judge-records.ts';
import { type Door, noAnswer } from './door.ts';
import type { BatchSize, PartitionName, ReadRecord } from './history.ts';
import { overLimits } from './over-limits.ts';
import { partitionName } from './partition-name.ts';
import type { ToldLog } from './told.ts';
import type { SimTopic } from './topic-plan.ts';
import { lullPace, type World } from './world.ts';

const retryMs = 50;

export interface ConsumerPace {
  readonly maxWaitMs?: number;
  readonly pauseMs?: number;
  readonly minBytes?: number;
  /** Of all partitions together, and of each. */
  readonly maxBytes?: number;
  readonly partitionMaxBytes?: number;
}

export class Consumer {
  readonly #world: World;
  readonly #door: Door;
  readonly #topic: SimTopic;
  readonly #name: string;
  readonly #partitions: readonly number[];
  readonly offsets = new Map<number, number>();
  /** Highest high watermark seen. */
  readonly seen = new Map<number, number>();
  readonly #maxWaitMs: number;
  readonly #pauseMs: number;
  readonly #minBytes: number;
  readonly #maxBytes: number;
  readonly #partitionMaxBytes: number;
  isStopped = false;
  /** Of the latest answer for any of its partitions. */
  lastCode = -1;

  constructor(
    world: World,
    door: Door,
    topic: SimTopic,
    partitions: readonly number[],
    name: string,
    pace: ConsumerPace = {},
  ) {
    this.#world = world;
    this.#door = door;
    this.#topic = topic;
    this.#partitions = partitions;
    this.#name = name;
    this.#maxWaitMs = pace.maxWaitMs ?? 400;
    this.#pauseMs = pace.pauseMs ?? 120;
    this.#minBytes = pace.minBytes ?? 1;
    this.#maxBytes = pace.maxBytes ?? 5000;
    this.#partitionMaxBytes = pace.partitionMaxBytes ?? 2000;
    for (const partition of partitions) this.offsets.set(partition, 0);
    this.#loop();
  }

  #loop(): void {
    if (this.isStopped || this.#topic.isDeleted) return;
    const asked = this.#partitions.map((partition) => ({
      topicId: this.#topic.topicId,
      partition,
      offset: this.offsets.get(partition)!,
      maxBytes: this.#partitionMaxBytes,
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
    }));
    const told = this.#partitions.map((partition) => this.#world.history.told.of(this.#nameOf(partition)));
    const startMs = this.#world.loop.nowMs;
    const limits = { maxWaitMs: this.#maxWaitMs, minBytes: this.#minBytes };
    this.#door.request(
      ({ engine }) => engine.fetch(asked, { ...limits, maxBytes: this.#maxBytes }),
      (result) => {
        const isGood = result !== noAnswer && !(result instanceof Error);
        if (isGood && result.every(({ errorCode: code }) => code === errorCode.none)) {
          const bytes = result.reduce((sum, { records }) => sum + recordBytes(records), 0);
          const waitedMs = this.#world.loop.nowMs - startMs;
          // With some in hand it is told sooner of what it does not see, an error of one of its partitions.
          if (bytes === 0) {
            this.#world.history.add({ kind: 'poll', consumer: this.#name, waitedMs, bytes, ...limits });
          }
        }
        const over = isGood ? overLimits(result, this.#partitionMaxBytes, this.#maxBytes) : undefined;
        if (over) this.#world.history.add({ kind: 'overfed', what: `${this.#name} ${over}` });
        const isFine = isGood && result.every((each, i) => this.#read(each, told[i]!));
        const pace = this.#world.loop.nowMs < this.#world.lullUntilMs ? lullPace : 1;
        this.#world.loop.schedule((isFine ? this.#pauseMs : retryMs) * pace, () => this.#loop());
      },
    );
  }

  #nameOf(partition: number): PartitionName {
    return partitionName(this.#topic.topicId, partition);
  }

  #read(fetched: FetchedPartition, asked: ToldLog): boolean {
    const { partition, highWatermark, logStartOffset: startOffset, errorCode: code } = fetched;
    this.lastCode = code;
    const from = this.offsets.get(partition)!;
    const records: ReadRecord[] = [];
    const sizes: BatchSize[] = [];
    const isFinal = this.#name === finalConsumer;
    for (const bytes of fetched.records) {
      const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      for (const at of batchesIn(whole)) {
        const batch = whole.subarray(at, at + batchSizeBytes(whole, at));
        const epoch = leaderEpoch(batch, 0);
        sizes.push({ baseOffset: baseOffset(batch, 0), bytes: batch.length });
        forEachRecord(batch, (offset, timestampMs, _key, value) => {
          const record = { offset, value: value?.toString() ?? '', leaderEpoch: epoch };
          if (offset >= from) records.push(isFinal ? { ...record, timestampMs } : record);
        });
      }
    }
    const answer = { from, code, highWatermark, startOffset, records, ...(isFinal ? { sizes } : {}), asked };
    const entry = { kind: 'read', consumer: this.#name, partition: this.#nameOf(partition), ...answer } as const;
    const isOld = highWatermark < asked.end || startOffset < asked.start;
    if (records.length > 0 || code !== errorCode.none || isOld) this.#world.history.add(entry);
    else this.#world.history.told.note(entry);
    if (records.length > 0) this.offsets.set(partition, records.at(-1)!.offset + 1);
    else if (code === errorCode.offsetOutOfRange && startOffset > from) this.offsets.set(partition, startOffset);
    if (code === errorCode.none) this.seen.set(partition, highWatermark);
    return code === errorCode.none;
  }
}
