/**
 * Checks ten times a second who holds the metadata store's lock, and kills a process of this installation that is stopped
 * while it holds the lock (held-lock.ts). All processes do this, so it does not matter which one acts. The stopped
 * process's pending write is lost, as when it is killed at any other time, and the next writer takes the lock over. Another
 * program, such as a backup, is only named.
 */
import { type Clock, sleep } from '../../engine/kernel/clock.ts';
import { notedBrokers } from '../../infra/fleet/noted-brokers.ts';
import { processOfThread, processStateNow } from '../../infra/fleet/process-state.ts';
import { WriterLock } from '../../tenancy/store/lmdb-lock.ts';
import { compiledPrograms } from '../compiled-programs.ts';
import type { DataFolder } from '../data-folder.ts';
import { sharers } from '../data-folder-lock.ts';
import { brokerHome } from './broker-slots.ts';
import { type HeldLock, heldText, isHeldByStopped, judgeHeld, type LockLook, lockLookIntervalMs } from './held-lock.ts';

export interface LockWatchParts {
  readonly folder: DataFolder;
  readonly clock: Clock;
  readonly log: (line: string) => void;
}

export class LockWatch {
  readonly #parts: LockWatchParts;
  readonly #lock: WriterLock;
  #held: HeldLock | undefined;
  #lookedAtMs = 0;
  #told: string | undefined;
  /** The holder it last tried to kill, which is not tried again: it is dying in a disk write, or is not one of ours. */
  #tried: LockLook | undefined;

  constructor(parts: LockWatchParts) {
    this.#parts = parts;
    this.#lock = new WriterLock(parts.folder.meta);
  }

  /** Runs until the process ends. */
  start(): void {
    this.#look();
    this.#parts.clock.after(lockLookIntervalMs, () => this.start(), 'background');
  }

  /** Why writes wait; undefined when they do not. */
  trouble(): string | undefined {
    return heldText(this.#held);
  }

  /**
   * Before the store is opened, because that blocks the only thread on the lock: waits until no stopped process holds it,
   * or reports it.
   */
  async beforeOpening(): Promise<void> {
    this.#look();
    while (this.#held?.look.isStopped && this.trouble() === undefined) {
      await sleep(this.#parts.clock, lockLookIntervalMs);
      this.#look();
    }
  }

  #look(): void {
    const nowMs = this.#parts.clock.monotonicMs();
    this.#held = judgeHeld(this.#held, this.#now(), nowMs - this.#lookedAtMs);
    this.#lookedAtMs = nowMs;
    const text = this.trouble();
    if (text !== undefined && text !== this.#told) this.#parts.log(text);
    this.#told = text;
    if (this.#held && isHeldByStopped(this.#held)) this.#end(this.#held.look);
  }

  /** Checks locks of other processes: this one waits for its own writes itself. */
  #now(): LockLook | undefined {
    const holder = this.#lock.holder();
    const pid = holder && processOfThread(holder.thread);
    if (!holder || pid === undefined || pid === process.pid) return undefined;
    return { ...holder, pid, isStopped: processStateNow(pid) === 'T' };
  }

  #end(look: LockLook): void {
    const { folder, log } = this.#parts;
    const { pid, thread, commit } = look;
    if (this.#tried?.thread === thread && this.#tried.commit === commit) return;
    this.#tried = look;
    const isOurs = [...sharers(folder), ...notedBrokers(brokerHome(folder), compiledPrograms.detachedBroker)];
    if (!isOurs.includes(pid)) return;
    // Check once more with the current state.
    const now = this.#now();
    if (now?.thread !== thread || now.commit !== commit || !now.isStopped) return;
    try {
      process.kill(pid, 'SIGKILL');
      log(`killed process ${pid}: it was suspended while holding the lock of the metadata store`);
    } catch (error) {
      log(
        `process ${pid} is suspended while holding the lock of the metadata store, and cannot be killed: ${String(error)}`,
      );
    }
  }
}
