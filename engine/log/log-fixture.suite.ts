/** A broker session on a memory disk and a memory store, for the tests of this folder. */
import { sleep } from '../kernel/clock.ts';
import { framePool, SharedFrame } from '../kernel/frame-pool.ts';
import { type ManualClock, manualClock } from '../kernel/manual-clock.ts';
import { below, type Random, seededRandom } from '../kernel/random.ts';
import type { Uuid } from '../kernel/uuid.ts';
import { type Disk, DiskFault, type MetadataStore, type SegmentStore, type StoreOp } from '../ports.ts';
import { type BatchOptions, encodeBatch } from '../records/encode.ts';
import { baseOffset, batchesIn, batchSizeBytes, validateBatch, isBatchFault } from '../records/batch.ts';
import { decodeBatch } from '../records/decode.ts';
import { memoryStore, type MemoryStore, type StoreFaults } from '../store-memory.ts';
import { directorySegments } from './segments/directory-segments.ts';
import type { AppendOutcome, LogRead, LogStore, PartitionLog, TopicConfigs } from './log.ts';
import { createLogStore } from './log-store.ts';
import { MemoryDisk, type MemoryDiskOptions } from './disk/memory-disk.ts';
import { publishWal, type Recovery } from './recover.ts';
import { type LogSettings, logSettingsDefault } from './settings.ts';

export const topicA: Uuid = 'topic-a-16-bytes';
export const topicB: Uuid = 'topic-b-16-bytes';
export const segmentsDirectory = '/segments';

const smallSettings: LogSettings = {
  ...logSettingsDefault,
  walChunkBytesMax: 2000,
  rollUpBytes: 1 << 20,
  unrolledBytesMax: 1 << 22,
  freeBytesFloor: 0,
  mergeBytesMax: 400,
  copiedBytesMax: 500,
  indexIntervalBytes: 256,
  writeSliceBytes: 512,
  storeRetryTotalMsMax: 2000,
};

/** Ended by a power loss: the old process must not touch the disk of the next process. */
interface Process {
  isDead: boolean;
  readonly disk: Disk;
  readonly store: MetadataStore;
}

function diskOf(process: { isDead: boolean }, disk: Disk): Disk {
  return new Proxy(disk, {
    get(target, name) {
      if (process.isDead) throw new DiskFault('the process is dead');
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

export class World {
  readonly clock: ManualClock = manualClock();
  readonly random = seededRandom(7);
  readonly disk: MemoryDisk;
  readonly rows: MemoryStore;
  faults: StoreFaults = () => undefined;
  mayAck = true;
  /** Set before a session starts: its segments are behind a network, and each request waits for this first. */
  reach: ((what: 'put' | 'get' | 'remove') => Promise<void>) | undefined;
  /** Files of which the network brought wrong bytes, until they are read again. */
  readonly spoiled = new Set<string>();
  /** Undefined: no broker looks after the files of others. */
  servedSlots: readonly number[] | undefined;
  fatal: Error[] = [];
  sessionEpoch = 0;
  settings: LogSettings;
  /** How much of the session's log was known to be on the disk; recoveries get this value. */
  syncedLsn = 0;
  #store: LogStore | undefined;
  #process: Process;

  /** `slow`: calls on the thread pool take 0 to 3 ms of the clock, so that a crash can come between any two of them. */
  constructor(settings: Partial<LogSettings> = {}, disk: MemoryDiskOptions & { readonly slow?: Random } = {}) {
    this.settings = { ...smallSettings, ...settings };
    const { slow, ...options } = disk;
    const latency = (): Promise<void> => sleep(this.clock, slow ? below(slow, 4) : 0);
    this.disk = new MemoryDisk(slow ? { ...options, latency } : options);
    this.rows = memoryStore({ clock: this.clock });
    this.#process = this.#newProcess();
  }

  /** Behind a network where `reach` is set. */
  #segments(): SegmentStore {
    const store = directorySegments(this.#process.disk, segmentsDirectory);
    const { reach, spoiled } = this;
    if (!reach) return store;
    return {
      nameOf: (fileId) => store.nameOf(fileId),
      list: () => store.list(),
      reread: (fileId) => void spoiled.delete(fileId),
      create(fileId) {
        const file = store.create(fileId);
        return {
          write: (parts) => file.write(parts),
          abort: () => file.abort(),
          commit: () => reach('put').then(() => file.commit()),
        };
      },
      open(fileId, use) {
        const file = store.open(fileId, use);
        return {
          sizeBytes: () => file.sizeBytes(),
          read: async (target, position) => {
            await reach('get');
            const got = await file.read(target, position);
            if (spoiled.has(fileId)) target.fill(0xff);
            return got;
          },
          close: () => file.close(),
        };
      },
      remove: (fileId) => reach('remove').then(() => store.remove(fileId)),
    };
  }

  #newProcess(): Process {
    const state = { isDead: false };
    // A call by a dead process never completes, not even with a failure that the process could act on.
    const store = this.rows.connect((operation) => (state.isDead ? { delayMs: Infinity } : this.faults(operation)));
    return Object.assign(state, { store, disk: diskOf(state, this.disk) });
  }

  /** Power loss: the process is gone, and so is everything that the disk did not keep. */
  crash(keep: Random | 'none' | 'all'): void {
    this.noteSynced();
    this.#store = undefined;
    this.#process.isDead = true;
    this.#process = this.#newProcess();
    this.disk.crash(keep);
  }

  /** The WAL directory of the last session, if that was broker 1's. */
  get walDirectory(): string {
    return `/v1/wal/${this.sessionEpoch}`;
  }

  /** Runs `promise` to its end and moves the clock for whatever waits. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    const watched = promise.finally(() => {
      isDone = true;
    });
    watched.catch(() => undefined);
    for (let i = 0; i < 5000 && !isDone; i++) {
      await this.clock.settle();
      if (!isDone && i > 20) await this.clock.advance(5);
    }
    if (!isDone) throw new Error('the promise never settles');
    return watched;
  }

  /** Epochs are counted over all brokers here, so that no epoch occurs twice. */
  async startSession(brokerId = 1): Promise<LogStore> {
    this.sessionEpoch++;
    const sessionRow = { pk: 'BROKER', sk: `${brokerId}` };
    await this.rows.transact([{ op: 'put', key: sessionRow, value: `{"epoch":${this.sessionEpoch}}` }]);
    const version = (await this.rows.get(sessionRow))!.version;
    const epoch = this.sessionEpoch;
    const process = this.#process;
    this.syncedLsn = 0;
    this.#store = await this.run(
      createLogStore({
        disk: this.#process.disk,
        store: this.#process.store,
        clock: this.clock,
        random: this.random,
        settings: this.settings,
        brokerId,
        sessionEpoch: epoch,
        volume: `/v${brokerId}`,
        segments: this.#segments(),
        mayAck: () => this.mayAck,
        beforeEmpty: async () => {
          if (!process.isDead) this.syncedLsn = this.#store?.syncedLsn() ?? 0;
          await sleep(this.clock, 1);
        },
        ...(this.servedSlots && { servedSlots: () => Promise.resolve(this.servedSlots!) }),
        guard: (): StoreOp[] => [{ op: 'check', key: sessionRow, if: { version } }],
        onFatal: (error) => {
          if (!process.isDead) this.fatal.push(error);
        },
      }),
    );
    return this.#store;
  }

  /** What a renewal of the session's lease could have reported at this moment. */
  noteSynced(): void {
    this.syncedLsn = Math.max(this.syncedLsn, this.#store?.syncedLsn() ?? 0);
  }

  /** Fences the last session, one of broker 1's, and recovers its log. */
  async recover(keeps?: (topicId: Uuid, partition: number) => boolean): Promise<Recovery> {
    const sessionRow = { pk: 'BROKER', sk: '1' };
    await this.rows.transact([{ op: 'put', key: sessionRow, value: `{"fenced":${this.sessionEpoch}}` }]);
    const version = (await this.rows.get(sessionRow))!.version;
    const {
      cleanUp,
      isSealed: _,
      ...recovery
    } = await this.run(
      publishWal({
        disk: this.#process.disk,
        store: this.#process.store,
        clock: this.clock,
        random: this.random,
        settings: this.settings,
        brokerId: 1,
        sessionEpoch: this.sessionEpoch,
        volume: '/v1',
        segments: this.#segments(),
        guard: (): StoreOp[] => [{ op: 'check', key: sessionRow, if: { version } }],
        syncedLsn: this.syncedLsn,
        ...(keeps ? { keeps } : {}),
      }),
    );
    // From here on the session's row says that it is recovered, and the value is not needed again.
    this.syncedLsn = 0;
    await this.run(cleanUp());
    return recovery;
  }

  open(
    store: LogStore,
    leaderEpoch = this.sessionEpoch,
    configs: TopicConfigs = {},
    topicId = topicA,
    partition = 0,
  ): Promise<PartitionLog> {
    return this.run(store.open(topicId, partition, leaderEpoch, configs));
  }

  /** Appends from a frame of the pool, without waiting; the outcome appears in the returned array. */
  send(log: PartitionLog, given: Buffer): AppendOutcome[] {
    this.noteSynced();
    const outcomes: AppendOutcome[] = [];
    const batch = framePool.take(given.length);
    given.copy(batch);
    const frame = new SharedFrame(batch);
    const header = validateBatch(batch);
    if (isBatchFault(header)) throw new Error(header.message);
    log.append(batch, header, this.clock.wallMs(), (outcome) => void outcomes.push(outcome), frame);
    return outcomes;
  }

  async append(log: PartitionLog, batch: Buffer): Promise<AppendOutcome> {
    const outcomes = this.send(log, batch);
    for (let i = 0; i < 10 && outcomes.length === 0; i++) await this.clock.settle();
    if (outcomes.length !== 1) throw new Error('the append is not answered');
    return outcomes[0]!;
  }

  /** Keys and values of all rows of the segment store's files. */
  async files(): Promise<{ fileId: string; segments: number }[]> {
    const { rows } = await this.rows.range('FILE');
    return rows.map((row) => ({ fileId: row.sk, segments: (JSON.parse(row.value) as { segments: number }).segments }));
  }

  async read(log: PartitionLog, offset: number, maxBytes = 1 << 20, minOneBatch = true): Promise<LogRead> {
    return this.run(Promise.resolve(log.read(offset, maxBytes, minOneBatch)));
  }

  /** Values of all records from `offset` to the high watermark. Checks that their offsets are dense. */
  async values(log: PartitionLog, from = log.startOffset, maxBytes = 700): Promise<string[]> {
    const out: string[] = [];
    let offset = from;
    while (offset < log.highWatermark) {
      const { batches, errorCode } = await this.read(log, offset, maxBytes);
      if (errorCode !== 0 || batches.length === 0) throw new Error(`read of ${offset} answers ${errorCode}`);
      const before = offset;
      for (const bytes of batches) {
        for (const at of batchesIn(bytes)) {
          const batch = Buffer.from(bytes.subarray(at, at + batchSizeBytes(bytes, at)));
          for (const record of await decodeBatch(batch)) {
            if (record.offset < offset) continue;
            if (record.offset !== offset) throw new Error(`offset ${record.offset} follows ${offset - 1}`);
            out.push(record.value!.toString());
            offset++;
          }
          if (baseOffset(batch, 0) > offset) throw new Error('gap');
        }
      }
      if (offset === before) throw new Error(`a read of ${before} holds nothing from there`);
    }
    return out;
  }
}

/** One batch with the given values. */
export function batchOf(
  values: readonly string[],
  timestampMs = 1_700_000_000_000,
  options: BatchOptions = {},
): Buffer {
  const records = values.map((value, i) => ({ key: null, value: Buffer.from(value), timestampMs: timestampMs + i }));
  return Buffer.from(encodeBatch(records, options));
}
