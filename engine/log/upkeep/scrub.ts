/**
 * The scrub reads all stored bytes again and again, so that bit rot is found while there still is a backup, and not by a
 * reader a year later. It is slow on purpose: one read at a time, at a bounded rate, on the thread pool. It can be paused.
 * Each finding is a row (rows/damage.ts) that stays until the file is whole again or gone.
 *
 * Each file is checked by one broker. A file in which a reader found damage goes to the front of the queue, so that its row
 * exists at once. The scrub also removes files that no row knows, left behind by puts that were given up.
 */
import { assert } from '../../kernel/assert.ts';
import { sleep, type Timer } from '../../kernel/clock.ts';
import { Failure } from '../../kernel/failure.ts';
import { DiskFault, type SegmentFile, type StoreOp } from '../../ports.ts';
import { allRows, type RowContext, withRetries } from '../rows/change-rows.ts';
import { DataCorrupt, type ScrubStatus } from '../log.ts';
import { damageKey, damagePk, decodeDamage, encodeDamage } from '../rows/damage.ts';
import { isFileUsed, segmentFileKey, segmentFilePk } from '../rows/segment-file.ts';
import { type Damage, verifyFile } from '../segments/verify-file.ts';

export interface ScrubParts extends RowContext {
  /** Whether this broker looks after a file, as of now. */
  mine(): Promise<IsMine>;
  /** Checks the session's own write-ahead log and repairs it from memory. Throws DataCorrupt when it was damaged. */
  verifyLog(): Promise<void>;
}

type IsMine = (fileId: string) => boolean;

/** Files in which readers found damage; beyond this number, files wait for the pass. */
const suspectsMax = 1000;
/** Rows that one transaction writes. */
const opsMax = 50;

export class Scrub {
  readonly #parts: ScrubParts;
  readonly #suspects = new Set<string>();
  /** Files checked on a reader's report since the last pass: repeated reads of the same damage cause only one check. */
  readonly #judged = new Set<string>();
  /** Files that had no row at the last look. */
  #orphans = new Set<string>();
  #timers: Timer[] = [];
  #running: Promise<void> | undefined;
  #passing: Promise<void> | undefined;
  #resume: (() => void) | undefined;
  #isPaused = false;
  #isStopped = false;
  /** When reading may continue: the bytes read so far are within the rate by then. */
  #paidMs = -Infinity;
  #status = { passes: 0, files: 0, filesOfPass: 0, bytes: 0, damaged: 0, unread: 0, lastPassEndedAtMs: -1 };

  constructor(parts: ScrubParts) {
    this.#parts = parts;
    if (!this.isOff) {
      this.#every(parts.settings.scrubDelayMs, parts.settings.scrubIntervalMs, () => this.pass());
    }
    this.#every(parts.settings.orphanGraceMs, parts.settings.orphanGraceMs, () => this.removeOrphans());
  }

  get isOff(): boolean {
    return this.#parts.settings.scrubBytesPerSecondMax === 0;
  }

  status(): ScrubStatus {
    const active = this.#running ? 'running' : 'waiting';
    return { state: this.#isPaused ? 'paused' : this.isOff && !this.#running ? 'off' : active, ...this.#status };
  }

  /** Runs a pass over all files, or joins the one that is running; resolves at its end. */
  pass(): Promise<void> {
    this.#passing ??= this.#alone(() => this.#pass()).finally(() => (this.#passing = undefined));
    return this.#passing;
  }

  /** One after the other: a pass requested while suspects are checked runs after them. */
  #alone(work: () => Promise<void>): Promise<void> {
    const running = (this.#running ?? Promise.resolve()).then(work).finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#resume?.();
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers) timer.cancel();
    this.resume();
  }

  /** A reader could not be served from the file. It is checked as soon as the current file is done. */
  suspect(fileId: string): void {
    if (this.#suspects.size >= suspectsMax || this.#isStopped || this.#judged.has(fileId)) return;
    this.#suspects.add(fileId);
    if (this.#running) return;
    void this.#alone(() => this.#quietly(() => this.#drainSuspects()));
  }

  /** Removes files that had no row at two looks, `orphanGraceMs` apart. */
  async removeOrphans(): Promise<void> {
    const { segments } = this.#parts;
    const isMine = await this.#parts.mine();
    // List the files first: a row is written before its file and removed after it.
    const files = (await segments.list()).filter(isMine);
    const rows = new Set((await this.#fileRows(isMine)).map(({ sk }) => sk));
    const orphans = new Set(files.filter((fileId) => !rows.has(fileId)));
    const due = [...orphans].filter((fileId) => this.#orphans.has(fileId));
    this.#orphans = orphans;
    for (const fileId of due) {
      if (this.#isStopped) return;
      try {
        await segments.remove(fileId);
      } catch (error) {
        // One that the disk refuses to remove keeps no other from it, and meets the next look.
        if (!(error instanceof DiskFault)) throw error;
      }
    }
  }

  async #pass(): Promise<void> {
    const status = this.#status;
    await this.#quietly(async () => {
      const isMine = await this.#parts.mine();
      const live = (await this.#fileRows(isMine)).filter(({ value }) => isFileUsed(value));
      status.files = 0;
      status.filesOfPass = live.length;
      this.#judged.clear();
      for (const { sk } of live) {
        await this.#drainSuspects();
        await this.#look(sk);
        if (this.#isStopped) return;
        status.files++;
      }
      await this.#lookAtLog();
      await this.#drainSuspects();
      await this.#forgetGone(isMine);
      status.passes++;
      status.lastPassEndedAtMs = this.#parts.clock.wallMs();
    });
  }

  async #drainSuspects(): Promise<void> {
    for (const fileId of this.#suspects) {
      if (this.#isStopped) return;
      await this.#look(fileId);
      this.#suspects.delete(fileId);
      if (this.#judged.size >= suspectsMax) this.#judged.clear();
      this.#judged.add(fileId);
    }
  }

  /** Ignores failures of the store or the segments: the next pass looks again. */
  async #quietly(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
  }

  async #look(fileId: string): Promise<void> {
    let damage: Damage[];
    let file: SegmentFile | undefined;
    try {
      file = this.#parts.segments.open(fileId, 'once');
      const read = this.#paced(file);
      damage = await verifyFile(read, await file.sizeBytes(), this.#parts.settings.scrubSliceBytes);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (!(error instanceof DiskFault) || error.isShortage) {
        this.#status.unread++;
        return;
      }
      damage = [{ position: 0, what: error.message }];
    } finally {
      file?.close();
    }
    // If the file was removed while we read it, what we saw is not damage.
    const row = await withRetries(this.#parts, () => this.#parts.store.get(segmentFileKey(fileId)));
    if (this.#isStopped || !row || !isFileUsed(row.value)) return;
    this.#status.damaged += damage.length;
    await this.#note(fileId, damage);
  }

  #paced(file: SegmentFile): (position: number, bytes: number) => Promise<Buffer> {
    const { clock, settings } = this.#parts;
    return async (position, bytes) => {
      while (this.#isPaused) await new Promise<void>((resume) => (this.#resume = resume));
      const target = Buffer.allocUnsafeSlow(bytes);
      const got = await file.read(target, position);
      this.#status.bytes += got;
      // When the scrub is off and a pass is requested by hand, there is no rate: it runs as fast as it can.
      if (!this.isOff) {
        this.#paidMs = Math.max(this.#paidMs, clock.monotonicMs()) + (got / settings.scrubBytesPerSecondMax) * 1000;
        const waitMs = this.#paidMs - clock.monotonicMs();
        if (waitMs > 0 && !this.#isStopped) await sleep(clock, waitMs);
      }
      return target.subarray(0, got);
    };
  }

  async #lookAtLog(): Promise<void> {
    try {
      await this.#parts.verifyLog();
    } catch (error) {
      if (!(error instanceof DataCorrupt)) throw error;
      this.#status.damaged++;
    }
  }

  /** Updates the rows: adds one for each new finding and deletes those that no longer hold. */
  async #note(fileId: string, damage: readonly Damage[]): Promise<void> {
    const known = await allRows(this.#parts, damagePk, `${fileId}@`, `${fileId}@~`);
    const foundAtMs = this.#parts.clock.wallMs();
    const found = new Map(damage.map((one) => [damageKey(fileId, one.position).sk, { fileId, foundAtMs, ...one }]));
    const ops: StoreOp[] = [];
    for (const { sk } of known) if (!found.has(sk)) ops.push({ op: 'delete', key: { pk: damagePk, sk } });
    for (const row of known) {
      const again = found.get(row.sk);
      if (again && decodeDamage(row.sk, row.value).what === again.what) found.delete(row.sk);
    }
    for (const [sk, row] of found) ops.push({ op: 'put', key: { pk: damagePk, sk }, value: encodeDamage(row) });
    await this.#write(ops);
  }

  async #forgetGone(isMine: IsMine): Promise<void> {
    const rows = await allRows(this.#parts, damagePk, '', '~');
    const files = new Set((await this.#fileRows(isMine)).map(({ sk }) => sk));
    const gone = rows.filter(({ sk, value }) => {
      const { fileId } = decodeDamage(sk, value);
      return isMine(fileId) && !files.has(fileId);
    });
    await this.#write(gone.map(({ pk, sk }) => ({ op: 'delete', key: { pk, sk } })));
  }

  async #write(ops: readonly StoreOp[]): Promise<void> {
    const { store, random } = this.#parts;
    for (let from = 0; from < ops.length; from += opsMax) {
      const token = random.bytes(12).toString('base64url');
      await withRetries(this.#parts, () => store.transact(ops.slice(from, from + opsMax), token));
    }
  }

  async #fileRows(isMine: IsMine): Promise<{ sk: string; value: string }[]> {
    const rows = await allRows(this.#parts, segmentFilePk, 'b', 'b~');
    return rows.filter(({ sk }) => isMine(sk));
  }

  #every(firstMs: number, thenMs: number, work: () => Promise<void>): void {
    assert(firstMs > 0 && thenMs > 0, 'a scrub has a pace');
    const at = this.#timers.length;
    const arm = (delayMs: number): void => {
      this.#timers[at] = this.#parts.clock.after(
        delayMs,
        () => void this.#quietly(work).finally(() => !this.#isStopped && arm(thenMs)),
        'background',
      );
    };
    arm(firstMs);
  }
}
