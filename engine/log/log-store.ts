/**
 * The logs of one broker session. Opens them lazily, passes appends through one write-ahead log, rolls up in the
 * background, and shuts down cleanly. Maintenance (roll-up, retention, moves) runs one task at a time beside the data path.
 */
import { assert } from '../kernel/assert.ts';
import type { Timer } from '../kernel/clock.ts';
import { Failure } from '../kernel/failure.ts';
import { framePool } from '../kernel/frame-pool.ts';
import type { Uuid } from '../kernel/uuid.ts';
import { DiskFault, SegmentsUnavailable, StoreAmbiguous } from '../ports.ts';
import { AppendGate } from './append-gate.ts';
import { removeFiles, sweepEmptied, sweepFiles } from './rows/change-rows.ts';
import { compactFiles } from './upkeep/compact-files.ts';
import { forgetRows } from './upkeep/forget-logs.ts';
import { GroupCommit } from './wal/group-commit.ts';
import { loadLog } from './partition/load-log.ts';
import {
  DataCorrupt,
  LogRowsChanged,
  type LogStore,
  type LogStoreStatus,
  NotOwner,
  type PartitionLog,
  type ScrubAct,
  type ScrubStatus,
  SessionFenced,
  type TopicConfigs,
} from './log.ts';
import type { LogStoreOptions } from './log-store-options.ts';
import { type LogSession, OwnedLog } from './partition/partition-log.ts';
import { moveStart, retentionDue } from './upkeep/retention.ts';
import { announceAhead, type RolledUp, rollUp, type RollUpContext, turnOf } from './upkeep/roll-up.ts';
import { segmentFilePrefix, slotOf } from './rows/segment-file.ts';
import { scanWal } from './wal/scan-wal.ts';
import { LeaderEpochFell } from './fold/log-fold.ts';
import { ProducerRoom } from './fold/producer-room.ts';
import { Scrub } from './upkeep/scrub.ts';
import { SegmentReader } from './segments/segment-reader.ts';
import { checkLogSettings } from './settings.ts';
import { Serial } from './serial.ts';
import { TimeLimit } from './time-limit.ts';
import { Wal } from './wal/wal.ts';
import { walDirectory } from './wal/wal-format.ts';

/** How long a failed background roll-up waits before its next attempt. */
const rollUpRetryMs = 1000;
/** Appends continue meanwhile, and may arrive faster than they can be rolled up. */
const prepareRoundsMax = 3;
/** How many logs retention looks at between two turns of the event loop. */
const retentionLooksMax = 256;
/** Compaction rounds in one pass of retention. */
const compactRoundsMax = 64;
/** Logs forgotten in one task: a task that waits for its turn, such as a planned move, waits for no more than this. */
const forgottenTogetherMax = 200;

/**
 * Starts the session's storage. The session epoch must never have been used before. Throws InvalidRequest for a setting out
 * of bounds, DiskFull and DiskFault.
 */
export async function createLogStore(options: LogStoreOptions): Promise<LogStore> {
  const { disk, random, volume, sessionEpoch, settings } = options;
  checkLogSettings(settings);
  let fail = (error: Error): void => options.onFatal(error);
  const wal = await Wal.open({
    disk,
    random,
    volume,
    sessionEpoch,
    chunkBytesMax: settings.walChunkBytesMax,
    onFault: (error) => fail(error),
    ...(options.beforeDrop ? { beforeDrop: options.beforeDrop } : {}),
    ...(options.beforeEmpty ? { beforeEmpty: options.beforeEmpty } : {}),
  });
  const store = new SessionLogStore(options, wal);
  fail = (error) => store.fail(error);
  return store;
}

class SessionLogStore implements LogStore {
  readonly #o: LogStoreOptions;
  readonly #wal: Wal;
  readonly #commit: GroupCommit;
  readonly #gate: AppendGate;
  readonly #context: RollUpContext;
  readonly #session: LogSession;
  readonly #scrub: Scrub;
  readonly #serial = new Serial();
  /** One roll-up at a time; only its publication excludes other maintenance. */
  readonly #rollUpSerial = new Serial();
  /** Topic id to partition to log. */
  readonly #logs = new Map<Uuid, Map<number, OwnedLog>>();
  readonly #opening = new Map<string, Promise<OwnedLog>>();
  /** Logs whose rows are deleted. */
  readonly #forgotten = new WeakSet<OwnedLog>();
  #openLogs = 0;
  #fileCounter = 0;
  #rollUps = 0;
  #rollUpScheduled = false;
  #retentionTimer: Timer | undefined;
  #isClosed = false;
  #hasSwept = false;

  constructor(options: LogStoreOptions, wal: Wal) {
    this.#o = options;
    this.#wal = wal;
    const { clock, settings } = options;
    const reader = new SegmentReader(options, (fileId) => this.#scrub.suspect(fileId));
    this.#context = {
      ...options,
      guard: () => options.guard(),
      reader,
      leftovers: new Set(),
      onRemove: (fileId) => reader.forget(fileId),
    };
    this.#gate = new AppendGate(options, () => this.#scheduleRollUp());
    this.#commit = new GroupCommit({
      wal,
      clock,
      durability: settings.durability,
      leaseRetryMs: settings.leaseRetryMs,
      mayAck: () => options.mayAck(),
      onFatal: (error) => this.fail(error),
      onFull: () => this.#gate.reportFull(),
    });
    this.#session = {
      settings,
      clock,
      wal,
      commit: this.#commit,
      reader,
      producerRoom: new ProducerRoom(() => this.logs(), settings),
      admit: (log, batch, header, nowMs, done, frame) => this.#gate.admit(log, batch, header, nowMs, done, frame),
      refused: (log, batch, producerId) => this.#gate.noteRefused(log, batch, producerId),
      unrolledChanged: (bytes) => this.#gate.unrolledChanged(bytes),
      advanceStart: (log, offset) =>
        this.#maintain(async () => {
          // The log may have been released meanwhile: its rows then belong to the next owner.
          if (log.isOpen) await moveStart(this.#context, log, offset);
        }),
    };
    this.#scrub = new Scrub({
      ...this.#context,
      mine: () => this.#filesToLookAfter(),
      verifyLog: () => this.#verifyLog(),
    });
    this.#armRetention();
  }

  open(topicId: Uuid, partition: number, leaderEpoch: number, configs: TopicConfigs): Promise<PartitionLog> {
    const open = this.#find(topicId, partition);
    // Its release failed, and this session leads the log again.
    const unreleased = open && !open.isOpen && open.leaderEpoch < leaderEpoch ? open : undefined;
    if (open && !unreleased) {
      if (open.leaderEpoch === leaderEpoch && open.isOpen) return Promise.resolve(open);
      return Promise.reject(new NotOwner(`the log is open at leader epoch ${open.leaderEpoch}, not ${leaderEpoch}`));
    }
    if (this.#isClosed || this.#commit.failure) return Promise.reject(new NotOwner('the broker session is over'));
    const key = `${topicId}${partition}`;
    const opening = this.#opening.get(key);
    if (opening) return opening.then(() => this.open(topicId, partition, leaderEpoch, configs));
    const load = (): Promise<OwnedLog> => this.#load(topicId, partition, leaderEpoch, configs);
    const loaded = unreleased ? this.#reopen(unreleased, leaderEpoch, configs).then((log) => log ?? load()) : load();
    const promise = loaded.finally(() => this.#opening.delete(key));
    this.#opening.set(key, promise);
    return promise;
  }

  get(topicId: Uuid, partition: number): PartitionLog | undefined {
    return this.#find(topicId, partition);
  }

  *logs(): Iterable<OwnedLog> {
    for (const partitions of this.#logs.values()) yield* partitions.values();
  }

  async prepareRelease(logs: readonly PartitionLog[]): Promise<void> {
    const leaving = logs.map((log) => this.#mine(log)).filter((log) => log !== undefined);
    // Logs that are handed over by reference take no longer when they hold more.
    if (this.#isLocal) return;
    const limit = new TimeLimit(this.#o.clock);
    limit.set(this.#o.settings.releaseBeginMsMax, 'the preparation of a release');
    await limit.within(this.#prepare(leaving, limit));
  }

  /** The last requests show how long the pause would be, and the read whether the next owner could open the logs. */
  async #prepare(leaving: readonly OwnedLog[], limit: TimeLimit): Promise<void> {
    const { clock, settings } = this.#o;
    const timed = async (work: Promise<void>): Promise<number> => {
      const beganMs = clock.monotonicMs();
      await work;
      limit.check();
      return Math.round(clock.monotonicMs() - beganMs);
    };
    let tookMs = await timed(this.#rollUpBeside(leaving));
    for (let round = 1; round < prepareRoundsMax && tailBytesOf(leaving) > settings.copiedBytesMax; round++) {
      tookMs = await timed(this.#rollUpBeside(leaving));
    }
    // A first roll-up may take long because it had much to write; reading tells of every request.
    const readMs = await timed(this.#readLast(leaving));
    const pauseMs = tailBytesOf(leaving) > settings.copiedBytesMax ? Math.max(tookMs, readMs) : readMs;
    if (pauseMs > settings.releasePauseMsMax) {
      throw new SegmentsUnavailable(`the segment store takes ${pauseMs} ms for what the logs would wait for`);
    }
  }

  /** As the next owner does, which has nothing of it in memory. */
  async #readLast(leaving: readonly OwnedLog[]): Promise<void> {
    const row = leaving.find(({ segments }) => segments.length > 0)?.segments.at(-1)!.row;
    if (!row) return;
    const file = this.#o.segments.open(row.fileId, 'once');
    try {
      await file.read(Buffer.alloc(row.stateBytes), row.indexPosition + row.indexBytes);
    } catch (error) {
      // A file that is lost is lost for this owner too.
      if (!(error instanceof DiskFault)) throw error;
    } finally {
      file.close();
    }
  }

  async release(logs: readonly PartitionLog[]): Promise<void> {
    const leaving = logs
      .map((log) => this.#mine(log))
      .filter((log) => log !== undefined)
      .map((log) => ({ log, leaderEpoch: log.leaderEpoch }));
    const limit = new TimeLimit(this.#o.clock);
    if (!this.#isLocal) limit.set(this.#o.settings.releaseBeginMsMax, 'the wait for a release');
    await limit.within(this.#maintain(() => this.#release(leaving, limit), 'urgent'));
  }

  /** Logs are sealed when their turn comes: another roll-up in progress is no reason to refuse appends. */
  async #release(given: readonly Leaving[], limit: TimeLimit): Promise<void> {
    const { copiedBytesMax, releasePauseMsMax } = this.#o.settings;
    checkEpochs(given);
    limit.check();
    const leaving = given.map(({ log }) => log);
    const tailBytes = tailBytesOf(leaving);
    const isPieced = tailBytes > copiedBytesMax;
    const announced = tailBytes > 0 ? await announceAhead(this.#context, this.#fileCounter++, isPieced) : undefined;
    try {
      if (!this.#isLocal) limit.set(releasePauseMsMax, 'a release');
      for (const log of leaving) log.seal();
      this.#gate.handBackSealed();
      await this.#commit.drained();
      limit.check();
    } catch (error) {
      if (announced !== undefined) await removeFiles(this.#context, [announced]);
      throw error;
    }
    for (const log of leaving) log.lendTail();
    await this.#rollUpOf(this.#context, leaving, isPieced, announced);
    // Whoever asked was told that it failed, or the logs serve again. What was published is as after any roll-up.
    limit.check();
    checkEpochs(given);
    for (const log of leaving) this.#remove(log);
  }

  /**
   * Nothing has to be stored or read for it: memory still has what no segment has. Undefined when a repeated release was
   * completed meanwhile.
   */
  async #reopen(log: OwnedLog, leaderEpoch: number, configs: TopicConfigs): Promise<OwnedLog | undefined> {
    await this.#commit.drained();
    if (this.#isClosed) throw new NotOwner('the broker session is over');
    if (!this.#mine(log)) return undefined;
    log.reopen(leaderEpoch, configs);
    return log;
  }

  /** Whether segments are on a disk of this machine. */
  get #isLocal(): boolean {
    return this.#o.segments.createPieced !== undefined;
  }

  async forget(logs: readonly PartitionLog[]): Promise<void> {
    const leaving = logs.map((log) => this.#mine(log)).filter((log) => log !== undefined);
    for (const log of leaving) log.seal();
    this.#gate.handBackSealed();
    await this.#commit.drained();
    for (let from = 0; from < leaving.length; from += forgottenTogetherMax) {
      await this.#maintain(() => {
        // The same log may have been asked for twice. One that was released meanwhile is not ours any more, but its rows
        // still must be deleted.
        const due = leaving.slice(from, from + forgottenTogetherMax).filter((log) => !this.#forgotten.has(log));
        return forgetRows(this.#context, due, (log) => {
          this.#forgotten.add(log);
          log.lendTail();
          log.discardTail();
          this.#remove(log);
        });
      });
    }
  }

  async applyRetention(): Promise<void> {
    const nowMs = this.#o.clock.wallMs();
    let looks = 0;
    for (const log of this.logs()) {
      if (++looks % retentionLooksMax === 0) await turnOf(this.#o.clock);
      if (!log.isOpen || this.#isClosed) continue;
      log.expireProducers(nowMs);
      const knownTo = log.lookForRetention();
      if (retentionDue(log, nowMs, knownTo) === undefined) continue;
      await this.#maintain(async () => {
        // The log may have been released or cut short while it waited for its turn.
        const start = log.isOpen ? retentionDue(log, nowMs, knownTo) : undefined;
        if (start !== undefined) await moveStart(this.#context, log, start);
      });
    }
    await this.#maintain(() => removeFiles(this.#context, []));
    await this.#compact();
    // Once per session: remove files that earlier sessions emptied but did not live to remove.
    if (!this.#hasSwept) await this.#maintain(() => sweepEmptied(this.#context));
    this.#hasSwept = true;
  }

  rollUp(): Promise<void> {
    return this.#rollUpBeside(this.logs());
  }

  scrub(act: ScrubAct): ScrubStatus {
    // The status reports a failure; a bug ends the session, as in any maintenance.
    if (act === 'start') this.#scrub.pass().catch((error: unknown) => this.fail(error as Error));
    else if (act === 'pause') this.#scrub.pause();
    else if (act === 'resume') this.#scrub.resume();
    return this.#scrub.status();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#scrub.stop();
    this.#retentionTimer?.cancel();
    this.#gate.close('the broker is shutting down');
    for (const log of this.logs()) log.seal();
    await this.#commit.drained();
    await this.#rollUpBeside(this.logs());
    await this.#maintain(async () => {
      // It left out what changed while it wrote, such as a log whose start was being moved. Now nothing else runs.
      await this.#rollUpOf(this.#context, this.logs());
      await sweepFiles(this.#context, segmentFilePrefix(this.#o.brokerId, this.#o.sessionEpoch));
    });
    this.#commit.stop();
    await this.#wal.close(true);
    this.#context.reader.close();
  }

  status(): LogStoreStatus {
    return {
      sessionEpoch: this.#o.sessionEpoch,
      openLogs: this.#openLogs,
      unrolledBytes: this.#gate.unrolledBytes,
      walBytes: this.#wal.bytes,
      walChunks: this.#wal.chunkCount,
      commits: this.#commit.commits,
      rollUps: this.#rollUps,
      waitingAppends: this.#gate.waitingAppends,
      diskFull: this.#gate.isDiskLow,
    };
  }

  syncedLsn(): number {
    return this.#wal.syncedLsn;
  }

  /** The session cannot go on. Only the first call has an effect. */
  fail(error: Error): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#scrub.stop();
    this.#retentionTimer?.cancel();
    this.#commit.stop(error);
    this.#gate.close('the broker has failed');
    for (const log of this.logs()) log.seal();
    this.#o.onFatal(error);
  }

  async #load(topicId: Uuid, partition: number, leaderEpoch: number, configs: TopicConfigs): Promise<OwnedLog> {
    const { segments, startOffset, stateVersion, endOffset, fold } = await loadLog(this.#context, topicId, partition);
    if (this.#isClosed) throw new NotOwner('the broker session is over');
    if (fold.epochs.latest > leaderEpoch) {
      throw new NotOwner(`leader epoch ${fold.epochs.latest} has written, ${leaderEpoch} is over`);
    }
    const opened = { topicId, partition, leaderEpoch, startOffset, stateVersion, endOffset, segments, fold, configs };
    const log = new OwnedLog(this.#session, opened);
    let partitions = this.#logs.get(topicId);
    if (!partitions) this.#logs.set(topicId, (partitions = new Map()));
    partitions.set(partition, log);
    this.#openLogs++;
    this.#session.producerRoom.added(log.producerCount);
    return log;
  }

  #find(topicId: Uuid, partition: number): OwnedLog | undefined {
    return this.#logs.get(topicId)?.get(partition);
  }

  #mine(log: PartitionLog): OwnedLog | undefined {
    const mine = this.#find(log.topicId, log.partition);
    return mine === log ? mine : undefined;
  }

  #remove(log: OwnedLog): void {
    const partitions = this.#logs.get(log.topicId);
    if (partitions?.get(log.partition) !== log) return;
    partitions.delete(log.partition);
    if (partitions.size === 0) this.#logs.delete(log.topicId);
    this.#openLogs--;
  }

  #scheduleRollUp(): void {
    if (this.#rollUpScheduled || this.#isClosed) return;
    this.#rollUpScheduled = true;
    this.#o.clock.endOfTurn(() => void this.#rollUpInBackground());
  }

  async #rollUpInBackground(): Promise<void> {
    try {
      await this.#commit.drained();
      await this.rollUp();
      this.#rollUpScheduled = false;
      if (this.#gate.unrolledBytes >= this.#o.settings.rollUpBytes) this.#scheduleRollUp();
    } catch {
      // The disk is full or the store is away. #maintain has reported what matters. Appends wait at the gate until an
      // attempt succeeds.
      this.#o.clock.after(
        rollUpRetryMs,
        () => {
          this.#rollUpScheduled = false;
          this.#scheduleRollUp();
        },
        'background',
      );
    }
  }

  #rollUpBeside(logs: Iterable<OwnedLog>): Promise<void> {
    return this.#beside((context) => this.#rollUpOf(context, logs));
  }

  /** Works in small rounds, so that a roll-up that is due does not wait for the whole compaction. */
  async #compact(): Promise<void> {
    for (let round = 0; round < compactRoundsMax; round++) {
      const moved = await this.#beside((context) => compactFiles(context, this.logs(), () => this.#fileCounter++));
      if (moved === 0 || this.#isClosed) return;
    }
  }

  /**
   * Runs a task that writes segment files while the logs serve and others are released or deleted. Only its publication is
   * exclusive.
   */
  #beside<T>(task: (context: RollUpContext) => Promise<T>): Promise<T> {
    const exclusive = <R>(publication: () => Promise<R>): Promise<R> => this.#serial.run(publication);
    return this.#rollUpSerial.run(() => this.#guarded(() => task({ ...this.#context, exclusive })));
  }

  async #rollUpOf(
    context: RollUpContext,
    logs: Iterable<OwnedLog>,
    isPieced = false,
    announced?: string,
  ): Promise<void> {
    const { logsPerFileMax } = this.#o.settings;
    let due: NonNullable<ReturnType<OwnedLog['toRollUp']>>[] = [];
    // Only the first file is announced ahead; the others are announced when their turn comes.
    let ahead = announced;
    const write = async (): Promise<void> => {
      if (due.length === 0) return;
      const published = (rolled: readonly RolledUp<(typeof due)[number]>[]): void => {
        for (const one of rolled) one.log.owner.swap(one, one.log.count);
      };
      await rollUp(context, due, this.#fileCounter++, published, ahead);
      ahead = undefined;
      due = [];
      this.#rollUps++;
    };
    for (const log of logs) {
      const part = log.toRollUp(isPieced);
      if (part && due.push(part) === logsPerFileMax) await write();
    }
    await write();
  }

  /** Its own, and a share of those of slots that are not in service. */
  async #filesToLookAfter(): Promise<(fileId: string) => boolean> {
    const { brokerId } = this.#o;
    const served = (await this.#o.servedSlots?.()) ?? [];
    return (fileId) => {
      const slot = slotOf(fileId);
      if (slot === undefined || slot === brokerId || served.includes(slot)) return slot === brokerId;
      return served[slot % served.length] === brokerId;
    };
  }

  /** Reads the log as a recovery would. Memory still has what a damaged file lost: a roll-up writes that again and drops the file. */
  async #verifyLog(): Promise<void> {
    const { disk, volume, sessionEpoch, settings } = this.#o;
    try {
      await this.#serial.run(async () => {
        if (this.#isClosed) return;
        const directory = walDirectory(volume, sessionEpoch);
        await scanWal({ disk, directory, sessionEpoch, sliceBytes: settings.writeSliceBytes }, () => undefined);
      });
    } catch (error) {
      if (error instanceof DataCorrupt && !this.#isClosed) await this.rollUp();
      throw error;
    }
  }

  /** Runs one task at a time. A failure after which memory and rows may disagree ends the session. */
  #maintain<T>(task: () => Promise<T>, urgent?: 'urgent'): Promise<T> {
    return this.#serial.run(() => this.#guarded(task), urgent);
  }

  async #guarded<T>(task: () => Promise<T>): Promise<T> {
    if (this.#commit.failure) throw this.#commit.failure;
    try {
      return await task();
    } catch (error) {
      assert(error instanceof Error, 'only errors are thrown');
      if (endsSession(error)) this.fail(error);
      throw error;
    }
  }

  #armRetention(): void {
    this.#retentionTimer = this.#o.clock.after(
      this.#o.settings.retentionIntervalMs,
      () => {
        framePool.trim();
        // Retried at the next tick; a failure that ends the session was reported already.
        this.applyRetention()
          .catch(() => undefined)
          .finally(() => !this.#isClosed && this.#armRetention());
      },
      'background',
    );
  }
}

interface Leaving {
  readonly log: OwnedLog;
  /** At which its release was asked for. */
  readonly leaderEpoch: number;
}

/** Throws when a log was taken back meanwhile: it serves again, and nobody may open it elsewhere. */
function checkEpochs(leaving: readonly Leaving[]): void {
  for (const { log, leaderEpoch } of leaving) {
    if (log.leaderEpoch !== leaderEpoch)
      throw new NotOwner(`the log is open again, at leader epoch ${log.leaderEpoch}`);
  }
}

function tailBytesOf(logs: readonly OwnedLog[]): number {
  return logs.reduce((sum, log) => sum + log.tail.bytes, 0);
}

function endsSession(error: Error): boolean {
  if (!(error instanceof Failure)) return true;
  return (
    error instanceof SessionFenced ||
    error instanceof LogRowsChanged ||
    error instanceof DiskFault ||
    error instanceof DataCorrupt ||
    error instanceof LeaderEpochFell ||
    error instanceof StoreAmbiguous
  );
}
