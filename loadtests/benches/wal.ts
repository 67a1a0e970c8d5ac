/** The log on a real disk against bare system calls: one 64 KiB batch per commit, and many batches sharing a commit. */
import { closeSync, fdatasyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench, BenchEnvironment, Target } from '../compare/bench.ts';
import { systemClock } from '../../engine/kernel/clock.ts';
import { systemRandom } from '../../engine/kernel/random.ts';
import { directorySegments } from '../../engine/log/segments/directory-segments.ts';
import type { PartitionLog } from '../../engine/log/log.ts';
import { createLogStore } from '../../engine/log/log-store.ts';
import { logSettingsDefault } from '../../engine/log/settings.ts';
import { isBatchFault, validateBatch } from '../../engine/records/batch.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
import { memoryStore } from '../../engine/store-memory.ts';
import { systemDisk } from '../../infra/disk/system-disk.ts';

const batchBytes = 64 * 1024;
const template = encodeBatch(
  Array.from({ length: 63 }, () => ({ key: null, value: Buffer.alloc(1024, 'w'), timestampMs: 1_700_000_000_000 })),
);

/** Bare writes of the same bytes, `perSync` of them before each fdatasync. */
function bare(folder: string, perSync: number): Target {
  const fd = openSync(join(folder, `bare-${perSync}`), 'w');
  process.once('exit', () => closeSync(fd));
  let position = 0;
  return {
    name: `writeSync + fdatasync, ${perSync} × 64 KiB a sync`,
    processes: { server: [process.pid] },
    async run(seconds) {
      const endMs = performance.now() + seconds * 1e3;
      const beginMs = performance.now();
      let operations = 0;
      while (performance.now() < endMs) {
        for (let i = 0; i < perSync; i++)
          position += writeSync(fd, template, 0, template.length, position % (256 << 20));
        fdatasyncSync(fd);
        operations += perSync;
        await new Promise((resolve) => setImmediate(resolve));
      }
      return { operations, bytes: operations * template.length, seconds: (performance.now() - beginMs) / 1e3 };
    },
  };
}

async function log(folder: string, durability: 'fsync' | 'page-cache', depth: number): Promise<Target> {
  const volume = join(folder, `${durability}-${depth}`);
  const segmentsDirectory = join(volume, 'segments');
  mkdirSync(volume, { recursive: true });
  const store = await createLogStore({
    disk: systemDisk,
    store: memoryStore({ clock: systemClock }),
    clock: systemClock,
    random: systemRandom,
    settings: { ...logSettingsDefault, durability },
    brokerId: 1,
    sessionEpoch: 1,
    volume,
    segments: directorySegments(systemDisk, segmentsDirectory),
    mayAck: () => true,
    guard: () => [],
    onFatal(failure) {
      throw failure;
    },
  });
  const partitions: PartitionLog[] = [];
  for (let i = 0; i < depth; i++)
    partitions.push(await store.open('bench-topic-16-b', i, 0, { 'retention.bytes': '67108864' }));
  return {
    name: `log, ${durability}, ${depth} × 64 KiB under way`,
    processes: { server: [process.pid] },
    run(seconds) {
      const beginMs = performance.now();
      const endMs = beginMs + seconds * 1e3;
      let operations = 0;
      let underWay = depth;
      return new Promise((resolve, reject) => {
        const append = (partition: PartitionLog): void => {
          const batch = Buffer.from(template);
          const header = validateBatch(batch);
          if (isBatchFault(header)) return reject(new Error('the batch is invalid'));
          partition.append(batch, header, Date.now(), ({ errorCode, errorMessage }) => {
            if (errorCode !== 0) return reject(new Error(errorMessage ?? `code ${errorCode}`));
            operations++;
            if (performance.now() < endMs) return append(partition);
            if (--underWay > 0) return;
            resolve({ operations, bytes: operations * template.length, seconds: (performance.now() - beginMs) / 1e3 });
          });
        };
        for (const partition of partitions) append(partition);
      });
    },
  };
}

export const wal: Bench = {
  name: 'wal',
  about: `Appends of ${batchBytes / 1024} KiB: the log with its checks, index and group commit against bare writeSync and fdatasync`,
  unit: 'batches',
  async open(environment: BenchEnvironment) {
    const folder = environment.folder();
    const targets = [
      bare(folder, 1),
      bare(folder, 16),
      await log(folder, 'fsync', 1),
      await log(folder, 'fsync', 16),
      await log(folder, 'page-cache', 16),
    ];
    return { targets, stop: () => Promise.resolve() };
  },
};
