/**
 * Copies a data folder, even while it is served, so that an installation can start from the copy as after a loss of power.
 * The copy holds everything acknowledged before it began, because of its order:
 *
 *   logs of the brokers ── metadata as of one commit ── the segments that it names
 *
 * A broker discards a part of its log (oldest first) only when the metadata names segments that hold it. So a part that is
 * discarded before it could be copied is in the later metadata. A segment that is gone before it could be copied was
 * merged, or its records were deleted. Then the backup takes later metadata, whose segments mostly still exist. No process
 * has to wait for the backup.
 *
 * In the copy no session has a process any more, and no lease describes a log, because the lease would be that of a later
 * log.
 */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync } from 'node:fs';
import { chmodSync, renameSync, rmdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import {
  type BrokerSession,
  brokerSessionKey,
  brokerSessionsPk,
  decodeBrokerSession,
  encodeBrokerSession,
} from '../engine/controller/rows/broker-session.ts';
import { brokerLeaseKey, decodeLease, leasesPk } from '../engine/controller/rows/lease.ts';
import { systemClock } from '../engine/kernel/clock.ts';
import { systemRandom } from '../engine/kernel/random.ts';
import { DataCorrupt } from '../engine/log/log.ts';
import { isFileUsed, segmentFilePk } from '../engine/log/rows/segment-file.ts';
import { scanWal } from '../engine/log/wal/scan-wal.ts';
import { walChunkNumber, walDirectory, walsDirectory } from '../engine/log/wal/wal-format.ts';
import type { StoreOp } from '../engine/ports.ts';
import { unlessDamaged } from '../engine/store-row-json.ts';
import { type Persistence, rangeSurely, transactSurely } from '../engine/store-surely.ts';
import { systemDisk } from '../infra/disk/system-disk.ts';
import { type LmdbStore, openLmdbStore } from '../tenancy/store/lmdb.ts';
import { copiedFile, folderSource, namesIn, type SegmentSource } from './backup-segments.ts';
import { checkFormat } from './data-folder.ts';

/** Each later round copies only the segments published during the one before. */
const roundsMax = 10;
const sliceBytes = 1024 * 1024;
const rowsTogetherMax = 50;
/** The kernel never assigns this process id, so nobody takes the session for a live one. */
const noProcess = 2 ** 22 + 1;

export interface Backup {
  readonly logs: number;
  readonly segmentFiles: number;
  /** Named by the metadata, but not in the folder. */
  readonly missingFiles: number;
}

/**
 * `target` must not exist; it appears when the whole copy is on disk. `bucket`: where segments lie, when that is not the
 * folder. Throws errors that say what is wrong.
 */
export async function backUp(data: string, target: string, bucket?: SegmentSource): Promise<Backup> {
  const source = resolve(data);
  if (!existsSync(join(source, 'meta', 'data.mdb'))) throw new Error(`${source} has no metadata (meta/data.mdb)`);
  const part = claimPart(source, target);
  let store: LmdbStore | undefined;
  try {
    checkFormat({ path: source });
    store = openStore(join(source, 'meta'));
    for (const folder of ['meta', 'segments', 'volumes']) mkdirSync(join(part, folder), { mode: 0o700 });
    await copyLogs(store, source, part);
    const segments = bucket ?? folderSource(join(source, 'segments'));
    const { fileIds, missing } = await copyMetadata(store, segments, part);
    if (missing.length > 0 && missing.length === fileIds.length) {
      const where = bucket ? '' : '. If the segments are in a bucket, give the same --segments as to serve';
      throw new Error(
        `${segments.name} holds none of the segments that the metadata lists, so the copy would be without them${where}`,
      );
    }
    const logs = await settleCopy(part);
    for (const name of ['format', 'demo.env']) {
      if (existsSync(join(source, name))) await copyFile(join(source, name), join(part, name));
    }
    syncAll(part);
    renameSync(part, target);
    return { logs, segmentFiles: fileIds.length - missing.length, missingFiles: missing.length };
  } catch (error) {
    // If the disk was full for this segment, it would be full the next time too.
    rmSync(part, { recursive: true, force: true });
    throw error;
  } finally {
    await store?.close();
  }
}

/**
 * Makes the folder in which the copy is built until it is complete. Throws when `target` is not a valid place for one, and
 * when another backup has the folder: of two for one target, each would remove what the other has copied.
 */
function claimPart(source: string, target: string): string {
  if (target === '') throw new Error('give a folder to write the copy to');
  const whole = resolve(target);
  // Brokers and the next backup would find it among their own files.
  if (whole.startsWith(source + sep)) throw new Error(`${target} is inside ${source}: give a folder outside it`);
  const part = `${whole}.partial`;
  const isOurs = makesFolder(part);
  // Looked for only now: the other backup may have been completing its copy until this one had the folder.
  if (existsSync(whole)) {
    if (isOurs) rmdirSync(part);
    throw new Error(`${target} already exists: give a folder that does not exist yet`);
  }
  if (!isOurs)
    throw new Error(
      `${part} is of a backup that still runs, or that did not finish: wait for it, or remove the folder`,
    );
  return part;
}

/** False when it is there already. */
function makesFolder(path: string): boolean {
  if (!existsSync(dirname(path))) mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  try {
    mkdirSync(path, { mode: 0o700 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  }
}

function openStore(directory: string): LmdbStore {
  return openLmdbStore({ directory, clock: systemClock, checksPages: true });
}

function persisted(store: LmdbStore): Persistence {
  return { store, clock: systemClock, random: systemRandom };
}

async function copyLogs(store: LmdbStore, source: string, part: string): Promise<void> {
  for (const volume of foldersIn(join(source, 'volumes'))) {
    const lease = await store.get(brokerLeaseKey(Number(volume)));
    const { epoch = -1, syncedLsn = 0 } = (lease && unlessDamaged(lease, decodeLease)) ?? {};
    for (const session of foldersIn(walsDirectory(join(source, 'volumes', volume)))) {
      const from = walDirectory(join(source, 'volumes', volume), Number(session));
      const to = walDirectory(join(part, 'volumes', volume), Number(session));
      const isCopied = await copyLog(from, to);
      const endLsn = await endWhereTorn(to, Number(session));
      if (isCopied && Number(session) === epoch && endLsn < syncedLsn) {
        throw new Error(
          `${from} is damaged: it ends at byte ${endLsn}, but ${syncedLsn} bytes had been synced to the disk`,
        );
      }
    }
  }
}

/** False when the broker discarded all of it meanwhile. */
async function copyLog(from: string, to: string): Promise<boolean> {
  mkdirSync(to, { recursive: true, mode: 0o700 });
  const chunks = namesIn(from).filter((name) => walChunkNumber(name) !== undefined);
  chunks.sort((a, b) => walChunkNumber(a)! - walChunkNumber(b)!);
  let copied: string[] = [];
  for (const name of chunks) {
    const before = inodeOf(join(from, name));
    copied.push(name);
    const isThere = before !== undefined && (await copiedFile(join(from, name), join(to, name)));
    // If its name has changed, the file may have been overwritten while it was read.
    if (isThere && inodeOf(join(from, name)) === before) continue;
    for (const gone of copied) rmSync(join(to, gone), { force: true });
    copied = [];
  }
  return copied.length > 0;
}

/**
 * Cuts off bytes that were written while their place was being read, and everything after them: a recovery would take them
 * for damage. Returns where the log ends.
 */
async function endWhereTorn(directory: string, sessionEpoch: number): Promise<number> {
  for (;;) {
    try {
      return (await scanWal({ disk: systemDisk, directory, sessionEpoch, sliceBytes }, () => undefined)).endLsn;
    } catch (error) {
      if (!(error instanceof DataCorrupt) || statSync(error.path).size <= error.position) throw error;
      truncateSync(error.path, error.position);
      const last = walChunkNumber(basename(error.path))!;
      for (const name of namesIn(directory)) if (walChunkNumber(name)! > last) rmSync(join(directory, name));
    }
  }
}

/** Also copies all segments that it names, except those that are `missing` in the source as well. */
async function copyMetadata(
  store: LmdbStore,
  segments: SegmentSource,
  part: string,
): Promise<{ fileIds: string[]; missing: string[] }> {
  const meta = join(part, 'meta');
  let missing: string[] = [];
  for (let round = 1; ; round++) {
    const before = missing;
    rmSync(meta, { recursive: true });
    mkdirSync(meta, { mode: 0o700 });
    await store.copyTo(meta);
    chmodSync(join(meta, 'data.mdb'), 0o600);
    const copy = openStore(meta);
    const rows = await rangeSurely(persisted(copy), segmentFilePk);
    await copy.close();
    const fileIds = rows.filter(({ value }) => isFileUsed(value)).map(({ sk }) => sk);
    missing = await segments.copy(fileIds, join(part, 'segments'));
    if (missing.length === 0 || (round > 1 && missing.every((fileId) => before.includes(fileId)))) {
      return { fileIds, missing };
    }
    if (round === roundsMax)
      throw new Error('segments are deleted faster than they can be copied: try again when the server has less to do');
  }
}

/** Returns the number of logs that a start will recover. */
async function settleCopy(part: string): Promise<number> {
  const store = openStore(join(part, 'meta'));
  const rows = persisted(store);
  const ops: StoreOp[] = (await rangeSurely(rows, leasesPk)).map(({ pk, sk }) => ({ op: 'delete', key: { pk, sk } }));
  const sessions = (await rangeSurely(rows, brokerSessionsPk)).map(decodeBrokerSession);
  for (const session of sessions) {
    const value = encodeBrokerSession({ ...session, pid: noProcess });
    ops.push({ op: 'put', key: brokerSessionKey(session.brokerId), value });
    keepLogOf(session, join(part, 'volumes', String(session.brokerId)));
  }
  while (ops.length > 0) await transactSurely(rows, ops.splice(0, rowsTogetherMax));
  await store.close();
  rmSync(join(part, 'meta', 'lock.mdb'), { force: true });
  return sessions.filter(isToRecover).length;
}

function isToRecover({ state }: BrokerSession): boolean {
  return state !== 'closed' && state !== 'recovered';
}

function keepLogOf(session: BrokerSession, volume: string): void {
  mkdirSync(walsDirectory(volume), { recursive: true, mode: 0o700 });
  for (const epoch of foldersIn(walsDirectory(volume))) {
    if (Number(epoch) !== session.epoch || !isToRecover(session)) {
      rmSync(walDirectory(volume, Number(epoch)), { recursive: true });
    }
  }
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}

/** Entries whose name is a number. */
function foldersIn(folder: string): string[] {
  return namesIn(folder).filter((name) => /^\d+$/.test(name));
}

function syncAll(path: string): void {
  if (statSync(path).isDirectory()) for (const name of readdirSync(path)) syncAll(join(path, name));
  const fd = openSync(path, 'r');
  fsyncSync(fd);
  closeSync(fd);
}
