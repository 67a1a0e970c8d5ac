/**
 * Bits that flip in stored files, and what must happen to each: it is never served, and a scrub finds it while its file is
 * in use. The end of a write-ahead log is left out: damage that no later record proves cannot be told from a torn write,
 * and a crash on top of it loses the damaged records (scan-wal.ts).
 */
import { below, type Random } from '../../engine/kernel/random.ts';
import { damagePk } from '../../engine/log/rows/damage.ts';
import { isFileUsed, isPieced, segmentFileKey } from '../../engine/log/rows/segment-file.ts';
import { walChunkHeaderBytes, walChunkNumber } from '../../engine/log/wal/wal-format.ts';
import { segmentsDirectory, type World } from './world.ts';

/** The newest chunks of a log, which may hold the end of the synced bytes. */
const sparedChunks = 2;
const suffix = '.seg';

/** Where in a file bits flip. Everything after the head of a log's chunk depends on that head, and it is small. */
type FlipAt = 'segments' | 'log' | 'log-head';

/** Of the segment store, or of a volume's log; undefined where nothing lies that may rot, else what flips it back. */
export function flipBit(world: World, random: Random, volume: string, at: FlipAt): (() => void) | undefined {
  const paths = at === 'segments' ? segmentFiles(world) : oldChunks(world, volume);
  const path = paths[below(random, Math.max(1, paths.length))];
  if (path === undefined) return undefined;
  const disk = world.disks.of(path);
  const file = disk.open(path);
  const bytes = file.sizeBytes();
  file.close();
  if (bytes === 0) return undefined;
  const bit = below(random, 8 * (at === 'log-head' ? Math.min(walChunkHeaderBytes, bytes) : bytes));
  disk.flipBit(path, bit);
  world.fault(`a bit of ${path} flips`);
  world.flipped.add(path);
  return () => {
    if (disk.exists(path)) disk.flipBit(path, bit);
  };
}

/** Names of files in use that hold a flipped bit and that no scrub has reported. Call it once every broker has scrubbed. */
export async function unnoticedRot(world: World): Promise<string[]> {
  const { rows } = world.store;
  const unnoticed: string[] = [];
  for (const path of world.flipped) {
    const fileId = fileIdOf(path);
    // Only a part of the files that a pieced file refers to is its own.
    if (fileId === undefined || isPieced(fileId)) continue;
    const row = await rows.get(segmentFileKey(fileId));
    if (!row || !isFileUsed(row.value)) continue;
    const damage = await rows.range(damagePk, { from: `${fileId}@`, to: `${fileId}@~` });
    if (damage.rows.length === 0) unnoticed.push(path);
  }
  return unnoticed;
}

function segmentFiles(world: World): string[] {
  const names = world.disks.of(segmentsDirectory).list(segmentsDirectory);
  return names.map((name) => `${segmentsDirectory}/${name}`);
}

function oldChunks(world: World, volume: string): string[] {
  const disk = world.disks.of(volume);
  const directory = `${volume}/wal`;
  if (!disk.exists(directory)) return [];
  return disk.list(directory).flatMap((epoch) => {
    const chunks = disk.list(`${directory}/${epoch}`).filter((name) => walChunkNumber(name) !== undefined);
    return chunks.slice(0, -sparedChunks).map((name) => `${directory}/${epoch}/${name}`);
  });
}

function fileIdOf(path: string): string | undefined {
  const name = path.startsWith(`${segmentsDirectory}/`) ? path.slice(segmentsDirectory.length + 1) : '';
  return name.endsWith(suffix) ? name.slice(0, -suffix.length) : undefined;
}
