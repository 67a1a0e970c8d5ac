/**
 * Brokers as processes that outlive their starter: a controller that comes and goes beside others starts them, and the next
 * one adopts them by their process ids. SIGTERM stops one gracefully, its output goes to a file, and polling detects the
 * end of an adopted one. As with children, a process counts as ended when it can no longer write anything.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { basename } from 'node:path';
import { assert } from '../../engine/kernel/assert.ts';
import type { Clock } from '../../engine/kernel/clock.ts';
import type { BrokerSlot, Fleet } from '../../engine/ports.ts';
import { commandLine } from './command-line.ts';
import { killAll } from './end-stopped.ts';
import { HangWatch } from './hang-watch.ts';
import type { BrokerHome } from './leftovers.ts';
import { notedBrokers } from './noted-brokers.ts';
import { forgetProcess, noteProcess } from './notes.ts';
import { isGone, signalProcess } from './process-state.ts';

export interface DetachedFleetOptions {
  readonly clock: Clock;
  readonly home: BrokerHome;
  /** The script that node runs. */
  readonly program: string;
  /** The program's arguments, the same for every slot; the slot's own follow. */
  readonly arguments: readonly string[];
  /** The file for the output of the slot's broker. */
  logFile(slot: BrokerSlot): string;
}

/** How often to check whether an adopted process still exists. */
const lookIntervalMs = 15;

interface Running {
  readonly pid: number;
  /** Absent for one that another controller started. */
  readonly process: ChildProcess | undefined;
  readonly exited: Promise<void>;
}

export function detachedFleet(options: DetachedFleetOptions): Fleet {
  return new DetachedFleet(options);
}

class DetachedFleet implements Fleet {
  readonly #options: DetachedFleetOptions;
  readonly #running = new Map<number, Running>();
  readonly #listeners: ((brokerId: number) => void)[] = [];
  /** These processes get no pings: of the hung ones only the stopped ones are detected. */
  readonly #hangs: HangWatch<Running>;

  constructor(options: DetachedFleetOptions) {
    this.#options = options;
    this.#hangs = new HangWatch({ clock: options.clock, answered: () => true });
  }

  /** Resolves when the process exists; rejects when the system refuses to create one. */
  async start(slot: BrokerSlot): Promise<void> {
    const { brokerId } = slot;
    assert(!this.#running.has(brokerId), 'a slot has one process at a time');
    await this.#endStrays(brokerId);
    const child = this.#spawn(slot);
    return new Promise((resolve, reject) => {
      const exited = new Promise<void>((reaped) => {
        child.once('exit', () => this.#ended(brokerId, reaped));
      });
      child.once('spawn', () => {
        this.#keep(brokerId, { pid: child.pid!, process: child, exited });
        resolve();
      });
      // After the start an error is a signal that did not arrive; the exit event reports the rest.
      child.on('error', reject);
    });
  }

  async adopt(slot: BrokerSlot, pid: number): Promise<boolean> {
    const { brokerId } = slot;
    const known = this.#running.get(brokerId);
    if (known) return known.pid === pid;
    if (!this.#isBroker(slot, pid)) return false;
    const { clock } = this.#options;
    const exited = new Promise<void>((gone) => {
      const look = (): void => {
        if (isGone(pid)) this.#ended(brokerId, gone);
        else clock.after(lookIntervalMs, look, 'background');
      };
      clock.after(lookIntervalMs, look, 'background');
    });
    this.#keep(brokerId, { pid, process: undefined, exited });
    return true;
  }

  async kill(brokerId: number): Promise<void> {
    const running = this.#running.get(brokerId);
    if (!running) return;
    signal(running, 'SIGKILL');
    await running.exited;
  }

  runs(brokerId: number, pid: number): boolean {
    return this.#running.get(brokerId)?.pid === pid;
  }

  async stop(brokerId: number, graceMs: number): Promise<void> {
    await this.#endStrays(brokerId);
    const running = this.#running.get(brokerId);
    if (!running) return;
    signal(running, 'SIGTERM');
    const grace = this.#options.clock.after(graceMs, () => signal(running, 'SIGKILL'));
    await running.exited;
    grace.cancel();
  }

  onExit(listener: (brokerId: number) => void): void {
    this.#listeners.push(listener);
  }

  onHung(listener: (brokerId: number, reason: string) => void): void {
    this.#hangs.onHung(listener);
  }

  /**
   * A killed controller leaves processes that have not opened their session yet. No row names such a process. As soon as
   * the session before it is closed it would open the slot's next one: beside the process that is started for that, or
   * after the fleet has stopped.
   */
  async #endStrays(brokerId: number): Promise<void> {
    const { home, program, clock } = this.#options;
    const own = this.#running.get(brokerId)?.pid;
    const strays = notedBrokers(home, program, brokerId).filter((pid) => pid !== own);
    await killAll(strays, clock);
  }

  #keep(brokerId: number, running: Running): void {
    this.#running.set(brokerId, running);
    this.#hangs.add(brokerId, running);
  }

  /** In a session of its own: a signal to this process and its group does not reach it. */
  #spawn(slot: BrokerSlot): ChildProcess {
    const { program, arguments: common } = this.#options;
    const log = openSync(this.#options.logFile(slot), 'a', 0o600);
    try {
      const args = [program, ...common, ...slotArguments(slot)];
      const child = spawn(process.execPath, args, { stdio: ['ignore', log, log], detached: true });
      child.unref();
      if (child.pid !== undefined) noteProcess(this.#options.home.notes, 'detached', child.pid);
      return child;
    } finally {
      closeSync(log);
    }
  }

  #ended(brokerId: number, reaped: () => void): void {
    const running = this.#running.get(brokerId);
    if (running) forgetProcess(this.#options.home.notes, 'detached', running.pid);
    this.#running.delete(brokerId);
    this.#hangs.remove(brokerId);
    reaped();
    for (const listener of this.#listeners) listener(brokerId);
  }

  /**
   * Identified by its volume, which belongs to no other folder. Not by the program's path, which may have been reinstalled
   * elsewhere since, nor by the zone, which may have been renamed: a broker that nobody took charge of would serve for
   * ever, and nothing else could use its slot.
   */
  #isBroker({ brokerId, volume, address }: BrokerSlot, pid: number): boolean {
    const line = commandLine(pid);
    const words = [
      `/${basename(this.#options.program)} `,
      ` --broker-id ${brokerId} `,
      ` --volume ${volume} --address ${address} `,
    ];
    return words.every((each) => `${line} `.includes(each));
  }
}

function slotArguments({ brokerId, zone, volume, address }: BrokerSlot): string[] {
  return ['--broker-id', String(brokerId), '--zone', zone, '--volume', volume, '--address', address];
}

/**
 * Signals a process that may have ended: its id can belong to another only after it was reaped, and we check every few
 * milliseconds.
 */
function signal({ pid, process: child }: Running, name: NodeJS.Signals): void {
  if (child) child.kill(name);
  else if (!isGone(pid)) signalProcess(pid, name);
}
