/**
 * Looks at who has the lock of the metadata store, ten times a second, and kills a process of this installation that is stopped
 * with it in its hand (held-lock.ts). All of them do, so that it does not matter which. Whatever such a process was about to
 * write is not written, as when it is killed at any other time, and the next writer takes the lock over. Another program, a
 * backup for example, is only named.
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
  /** That it was tried with is not tried again: one that is dying in a write of the disk, or is no process of ours. */
  #tried: LockLook | undefined;

  constructor(parts: LockWatchParts) {
    this.#parts = parts;
    this.#lock = new WriterLock(parts.folder.meta);
  }

  /** Until the process ends. */
  start(): void {
    this.#look();
    this.#parts.clock.after(lockLookIntervalMs, () => this.start(), 'background');
  }

  /** Why writes wait; undefined when they do not. */
  trouble(): string | undefined {
    return heldText(this.#held);
  }

  /** Before the store is opened, which waits for the lock on the only thread: until nobody has it who is stopped, or it is said. */
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

  /** Of others: what this process writes it waits for itself. */
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
    // As of now, once more.
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
