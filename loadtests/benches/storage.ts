/**
 * The log over many partitions, in one process on a real disk with an installation's metadata store: what ten thousand
 * partitions cost against ten, how much roll-ups rewrite, how long they block the event loop, and how fast a reader gets
 * records from segments alone against records in memory.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { systemClock } from '../../engine/kernel/clock.ts';
import { systemRandom } from '../../engine/kernel/random.ts';
import { directorySegments } from '../../engine/log/segments/directory-segments.ts';
import type { LogRead, LogStore, PartitionLog } from '../../engine/log/log.ts';
import { createLogStore } from '../../engine/log/log-store.ts';
import { logSettingsDefault } from '../../engine/log/settings.ts';
import type { SegmentStore } from '../../engine/ports.ts';
import { isBatchFault, validateBatch } from '../../engine/records/batch.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
import { systemDisk } from '../../infra/disk/system-disk.ts';
import { openLmdbStore } from '../../tenancy/store/lmdb.ts';
import type { Bench, BenchEnvironment, Fact } from '../compare/bench.ts';

const MB = 1_000_000;
const inFlight = 256;
const topicId = 'bench-topic-16-b';
const readBytes = 1 << 20;

const small = encodeBatch([{ key: null, value: Buffer.alloc(1024, 'w'), timestampMs: 1_700_000_000_000 }]);
const large = encodeBatch(
  Array.from({ length: 63 }, () => ({ key: null, value: Buffer.alloc(1024, 'w'), timestampMs: 1_700_000_000_000 })),
);

interface Opened {
  readonly store: LogStore;
  readonly logs: readonly PartitionLog[];
  readonly written: { bytes: number };
  close(): Promise<void>;
}

/** Bytes that go into segment files are counted. */
function counted(segments: SegmentStore, written: { bytes: number }): SegmentStore {
  return {
    ...segments,
    create(fileId) {
      const file = segments.create(fileId);
      return {
        ...file,
        write(parts) {
          for (const part of parts) written.bytes += part.length;
          return file.write(parts);
        },
      };
    },
  };
}

async function open(folder: string, partitions: number): Promise<Opened> {
  const volume = join(folder, `${partitions}`);
  mkdirSync(volume, { recursive: true });
  const meta = openLmdbStore({ directory: join(volume, 'meta'), clock: systemClock });
  const written = { bytes: 0 };
  const store = await createLogStore({
    disk: systemDisk,
    store: meta,
    clock: systemClock,
    random: systemRandom,
    // Nothing is recent: segments are read as if they had been there for long.
    settings: { ...logSettingsDefault, recentSegmentMs: 0 },
    brokerId: 1,
    sessionEpoch: 1,
    volume,
    segments: counted(directorySegments(systemDisk, join(volume, 'segments')), written),
    mayAck: () => true,
    guard: () => [],
    onFatal(failure) {
      throw failure;
    },
  });
  const logs: PartitionLog[] = [];
  for (let i = 0; i < partitions; i++) logs.push(await store.open(topicId, i, 0, { 'retention.ms': '-1' }));
  return {
    store,
    logs,
    written,
    async close() {
      await store.close();
      await meta.close();
    },
  };
}

/** Appends of `template`, round robin over the logs, until `bytes` are durable; seconds. */
function appendAll({ logs }: Opened, template: Uint8Array, bytes: number): Promise<number> {
  const count = Math.ceil(bytes / template.length);
  const beginMs = performance.now();
  let begun = 0;
  let ended = 0;
  return new Promise((resolve, reject) => {
    const next = (): void => {
      if (begun === count) return;
      const log = logs[begun++ % logs.length]!;
      const batch = Buffer.from(template);
      const header = validateBatch(batch);
      if (isBatchFault(header)) return reject(new Error(header.message));
      log.append(batch, header, Date.now(), ({ errorCode, errorMessage }) => {
        if (errorCode !== 0) return reject(new Error(errorMessage ?? `code ${errorCode}`));
        if (++ended === count) resolve((performance.now() - beginMs) / 1e3);
        else next();
      });
    };
    for (let i = 0; i < inFlight; i++) next();
  });
}

/** Reads everything from `from` to the end of one log, as a Fetch does; bytes a second. */
async function readRate(log: PartitionLog, from: number): Promise<number> {
  const beginMs = performance.now();
  let bytes = 0;
  for (let offset = from; offset < log.highWatermark; ) {
    const read: LogRead = await log.read(offset, readBytes, true);
    if (read.bytes === 0) throw new Error(`nothing at ${offset}: code ${read.errorCode}`);
    bytes += read.bytes;
    offset += (read.bytes / large.length) * 63;
  }
  return bytes / ((performance.now() - beginMs) / 1e3);
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

async function manyPartitions(folder: string, scale: number, log: (line: string) => void): Promise<Fact[]> {
  const bytes = Math.max(20, 120 * scale) * MB;
  const few = await open(folder, 10);
  const many = await open(folder, 10_000);
  const rates: { few: number[]; many: number[] } = { few: [], many: [] };
  // Warm-up: code is compiled, and every log has a first segment.
  for (const opened of [few, many]) await appendAll(opened, small, 20 * MB);
  const before = { few: few.written.bytes, many: many.written.bytes };
  const stalls = monitorEventLoopDelay({ resolution: 1 });
  for (let round = 0; round < 3; round++) {
    rates.few.push(bytes / (await appendAll(few, small, bytes)));
    stalls.enable();
    rates.many.push(bytes / (await appendAll(many, small, bytes)));
    stalls.disable();
    log(`round ${round + 1}: ${rates.few.at(-1)! / MB} and ${rates.many.at(-1)! / MB} MB/s`);
  }
  const facts: Fact[] = [
    { name: '1 KiB appends over 10 partitions', value: median(rates.few) / MB, unit: 'MB/s' },
    { name: '1 KiB appends over 10,000 partitions', value: median(rates.many) / MB, unit: 'MB/s' },
    { name: '10,000 against 10, goal 0.5', value: median(rates.many) / median(rates.few), unit: 'of the rate' },
    { name: 'segment bytes a byte, 10', value: (few.written.bytes - before.few) / (3 * bytes), unit: 'bytes' },
    { name: 'segment bytes a byte, 10,000', value: (many.written.bytes - before.many) / (3 * bytes), unit: 'bytes' },
    { name: 'longest turn of the event loop, 10,000', value: stalls.max / 1e6, unit: 'ms' },
    { name: 'turns, p99.9, 10,000', value: stalls.percentile(99.9) / 1e6, unit: 'ms' },
  ];
  await few.close();
  await many.close();
  return facts;
}

async function coldReads(folder: string, scale: number): Promise<Fact[]> {
  const opened = await open(join(folder, 'cold'), 1);
  const [log] = opened.logs;
  await appendAll(opened, large, Math.max(40, 400 * scale) * MB);
  await opened.store.rollUp();
  const segmentsEnd = log!.highWatermark;
  // Below rollUpBytes, so that it stays in memory.
  await appendAll(opened, large, 12 * MB);
  const cold: number[] = [];
  const tail: number[] = [];
  for (let round = 0; round < 5; round++) {
    cold.push(await readRate(log!, 0));
    for (let i = 0; i < 20; i++) tail.push(await readRate(log!, segmentsEnd));
  }
  await opened.close();
  return [
    { name: 'read from segments, verified', value: median(cold) / MB, unit: 'MB/s' },
    { name: 'read from memory, handing over references', value: median(tail) / MB, unit: 'MB/s' },
  ];
}

export const storage: Bench = {
  name: 'storage',
  about: 'The log over 10,000 partitions against 10, what roll-ups cost, and reads from segments',
  unit: 'partitions',
  async facts(environment: BenchEnvironment) {
    const folder = environment.folder();
    const { scale } = environment;
    return [
      ...(await manyPartitions(folder, scale, (line) => environment.log(line))),
      ...(await coldReads(folder, scale)),
    ];
  },
};
