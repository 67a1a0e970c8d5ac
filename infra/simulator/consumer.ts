/** A reader that follows the partitions of a topic from their start, in one fetch for all or in one fetch each. */
import type { FetchedPartition } from '../../engine/engine.ts';
import { below, type Random, seededRandom } from '../../engine/kernel/random.ts';
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
  /** For all partitions together, and for each. */
  readonly maxBytes?: number;
  readonly partitionMaxBytes?: number;
  /** It begins at a random place each time, before the end, and waits every second time. */
  readonly rewinds?: boolean;
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
  readonly #rewinding: Random | undefined;
  readonly #starts = new Map<number, number>();
  isStopped = false;
  /** From the latest answer for any of its partitions. */
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
    if (pace.rewinds) this.#rewinding = seededRandom(Math.imul(world.settings.seed + 1, 0x3c6ef372) ^ partitions[0]!);
    for (const partition of partitions) this.offsets.set(partition, 0);
    this.#loop();
  }

  #loop(): void {
    if (this.isStopped || this.#topic.isDeleted) return;
    if (this.#rewinding) for (const partition of this.#partitions) this.#rewind(partition, this.#rewinding);
    const asked = this.#partitions.map((partition) => ({
      topicId: this.#topic.topicId,
      partition,
      offset: this.offsets.get(partition)!,
      maxBytes: this.#partitionMaxBytes,
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
    }));
    const door = this.#door.next();
    // What its gateway has not heard from the owner it says so of (isStale).
    const maxWaitMs = this.#rewinding && below(this.#rewinding, 2) === 0 ? 0 : this.#maxWaitMs;
    const told = this.#partitions.map((partition) => door.told(this.#nameOf(partition), maxWaitMs > 0));
    const toldHere = this.#partitions.map((partition) => door.toldHere(this.#nameOf(partition)));
    const startMs = this.#world.loop.nowMs;
    const limits = { maxWaitMs, minBytes: this.#minBytes };
    door.request(
      ({ engine }) => engine.fetch(asked, { ...limits, maxBytes: this.#maxBytes }),
      (result) => {
        const isGood = result !== noAnswer && !(result instanceof Error);
        if (isGood && result.every(({ errorCode: code }) => code === errorCode.none)) {
          const bytes = result.reduce((sum, { records }) => sum + recordBytes(records), 0);
          const waitedMs = this.#world.loop.nowMs - startMs;
          // A fetch that already has records is answered sooner if one of its partitions has an error.
          if (bytes === 0) {
            this.#world.history.add({ kind: 'poll', consumer: this.#name, waitedMs, bytes, ...limits });
          }
        }
        const over = isGood ? overLimits(result, this.#partitionMaxBytes, this.#maxBytes) : undefined;
        if (over) this.#world.history.add({ kind: 'overfed', what: `${this.#name} ${over}` });
        const isFine =
          isGood && result.every((each, i) => this.#read(each, each.isStale ? toldHere[i]! : told[i]!, door));
        const pace = this.#world.loop.nowMs < this.#world.lullUntilMs ? lullPace : 1;
        this.#world.loop.schedule((isFine ? this.#pauseMs : retryMs) * pace, () => this.#loop());
      },
    );
  }

  #rewind(partition: number, random: Random): void {
    const start = this.#starts.get(partition) ?? 0;
    const end = this.seen.get(partition) ?? 0;
    this.offsets.set(partition, start + below(random, Math.max(1, end - start)));
  }

  #nameOf(partition: number): PartitionName {
    return partitionName(this.#topic.topicId, partition);
  }

  #read(fetched: FetchedPartition, asked: ToldLog, door: Door): boolean {
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
    const isStale = fetched.isStale ? { isStale: true } : {};
    const through = this.#world.settings.gateways > 1 ? { through: door.gateway, ...isStale } : {};
    const who = { consumer: this.#name, ...through };
    const entry = { kind: 'read', ...who, partition: this.#nameOf(partition), ...answer } as const;
    const isOld = highWatermark < asked.end || startOffset < asked.start;
    if (records.length > 0 || code !== errorCode.none || isOld) door.note(entry);
    else this.#world.history.told.note(entry, door.gateway);
    if (records.length > 0) this.offsets.set(partition, records.at(-1)!.offset + 1);
    else if (code === errorCode.offsetOutOfRange && startOffset > from) this.offsets.set(partition, startOffset);
    if (startOffset > (this.#starts.get(partition) ?? 0)) this.#starts.set(partition, startOffset);
    if (code === errorCode.none) this.seen.set(partition, highWatermark);
    return code === errorCode.none;
  }
}
