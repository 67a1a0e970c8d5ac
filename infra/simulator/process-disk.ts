/**
 * The disks of the world as one process sees them: one memory disk per volume and one for the segment store, under one tree
 * of paths. The kernel completes the calls that the process has made, whether or not the process lives to see it, but
 * nothing happens any more once it is reaped.
 */
import type { Random } from '../../engine/kernel/random.ts';
import { below } from '../../engine/kernel/random.ts';
import { MemoryDisk } from '../../engine/log/disk/memory-disk.ts';
import type { Disk, DiskFile } from '../../engine/ports.ts';
import { never, type SimProcess } from './process.ts';

export interface SyncTrap {
  readonly root: string;
  /** Syncs to let pass. */
  skip?: number;
  /** After the sync's end; in the middle of it when absent. */
  readonly afterMs?: number;
  readonly act: () => void;
}

/** Volume or store directory to disk; paths begin with one of the keys and a slash. */
export class Disks {
  readonly #disks = new Map<string, MemoryDisk>();
  /** What was mounted before an earlier copy of it was, by root. */
  readonly #present = new Map<string, MemoryDisk>();
  readonly #random: Random;
  /** On top of the usual latency, by root. */
  readonly slowMs = new Map<string, number>();
  /** Triggered once, in the middle of the process's next sync of a disk: where a stop or a kill hurts most. */
  readonly traps = new Map<SimProcess, SyncTrap>();
  /** Triggered once, when the process has a new file on a disk: its next sync covers two. */
  readonly newFileTraps = new Map<SimProcess, { readonly root: string; readonly act: () => void }>();
  /** Triggered once, when the process deletes a file of its log, before that is durable. */
  readonly dropTraps = new Map<SimProcess, { readonly root: string; readonly act: () => void }>();
  /**
   * A file is renamed before its current name is durable: after a loss of power it may have the name before that. Or a file
   * of a log is deleted before the name of the next one is durable: then neither may exist.
   */
  onNamedEarly: (process: SimProcess) => void = () => undefined;
  readonly #syncs = new Map<SimProcess, number>();
  /** The process whose call is being made: calls begin synchronously. */
  #caller: SimProcess | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  add(root: string): void {
    const disk = new MemoryDisk({ latency: this.#latencyOf(root) });
    disk.makeDirectory(root);
    this.#disks.set(root, disk);
  }

  #latencyOf(root: string): (call: string) => Promise<void> {
    return (call) => this.#latency(root, call);
  }

  /** Until `present`: the volume is in the state of `earlier`. */
  mountEarlier(root: string, earlier: MemoryDisk): void {
    if (!this.#present.has(root)) this.#present.set(root, this.of(root));
    this.#disks.set(root, earlier.copy(this.#latencyOf(root)));
  }

  /** Restores all volumes. */
  mountPresent(): void {
    for (const [root, disk] of this.#present) this.#disks.set(root, disk);
    this.#present.clear();
  }

  of(path: string): MemoryDisk {
    const end = path.indexOf('/', 1);
    const disk = this.#disks.get(end < 0 ? path : path.slice(0, end));
    if (!disk) throw new Error(`no disk holds ${path}`);
    return disk;
  }

  roots(): Iterable<string> {
    return this.#disks.keys();
  }

  /** The process has a sync in flight. */
  isSyncing(process: SimProcess): boolean {
    return (this.#syncs.get(process) ?? 0) > 0;
  }

  /** The process gives a file this name. */
  named(process: SimProcess, path: string): void {
    this.#spring(this.newFileTraps, process, path);
  }

  /** The process takes this name from a file. */
  unnamed(process: SimProcess, path: string): void {
    this.#spring(this.dropTraps, process, path);
    if (!path.endsWith('.wal')) return;
    const disk = this.of(path);
    const directory = path.slice(0, path.lastIndexOf('/'));
    const next = disk.list(directory).find((name) => name.endsWith('.wal') && `${directory}/${name}` > path);
    if (next !== undefined && !disk.isDurable(`${directory}/${next}`)) this.onNamedEarly(process);
  }

  #spring(traps: Disks['newFileTraps'], process: SimProcess, path: string): void {
    const trap = traps.get(process);
    if (!trap || !path.startsWith(`${trap.root}/`) || !path.endsWith('.wal')) return;
    traps.delete(process);
    process.loop.schedule(0, trap.act);
  }

  handle(process: SimProcess): Disk {
    return new ProcessDisk(this, process);
  }

  /** `process` makes `call`; the answer that it awaits arrives in a separate event. */
  async<T>(process: SimProcess, call: () => Promise<T>): Promise<T> {
    if (!process.isAlive) return never;
    this.#caller = process;
    try {
      return process.answer(call());
    } finally {
      this.#caller = undefined;
    }
  }

  #latency(root: string, call: string): Promise<void> {
    const process = this.#caller!;
    const usualMs = call === 'read' ? 0.05 : 0.2 + below(this.#random, 20) / 10;
    const delayMs = usualMs + below(this.#random, 1 + (this.slowMs.get(root) ?? 0));
    const trap = call === 'datasync' ? this.traps.get(process) : undefined;
    if (trap?.root === root && (trap.skip ??= 0) > 0) trap.skip--;
    else if (trap?.root === root) {
      this.traps.delete(process);
      const { afterMs } = trap;
      process.loop.schedule(
        afterMs === undefined ? below(this.#random, 3) * delayMs * 0.4 : delayMs + afterMs,
        trap.act,
      );
    }
    if (call === 'datasync') this.#syncs.set(process, (this.#syncs.get(process) ?? 0) + 1);
    return new Promise((resolve) => {
      process.loop.schedule(delayMs, () => {
        if (call === 'datasync') this.#syncs.set(process, this.#syncs.get(process)! - 1);
        // A dead process is reaped when its last call is over, completed or not.
        if (process.isAlive || (!process.isReaped && below(this.#random, 2) === 0)) resolve();
      });
    });
  }
}

class ProcessDisk implements Disk {
  readonly #disks: Disks;
  readonly #process: SimProcess;

  constructor(disks: Disks, process: SimProcess) {
    this.#disks = disks;
    this.#process = process;
  }

  #alive(): boolean {
    return this.#process.isAlive;
  }

  create(path: string): DiskFile {
    if (!this.#alive()) return deadFile(path);
    this.#disks.named(this.#process, path);
    return new ProcessFile(this.#disks, this.#process, this.#disks.of(path).create(path));
  }

  open(path: string): DiskFile {
    if (!this.#alive()) return deadFile(path);
    return new ProcessFile(this.#disks, this.#process, this.#disks.of(path).open(path));
  }

  exists(path: string): boolean {
    return this.#alive() && this.#disks.of(path).exists(path);
  }

  list(directory: string): string[] {
    return this.#alive() ? this.#disks.of(directory).list(directory) : [];
  }

  makeDirectory(directory: string): void {
    if (this.#alive()) this.#disks.of(directory).makeDirectory(directory);
  }

  remove(path: string): void {
    if (!this.#alive()) return;
    this.#disks.unnamed(this.#process, path);
    this.#disks.of(path).remove(path);
  }

  rename(from: string, to: string): void {
    if (!this.#alive()) return;
    this.#disks.named(this.#process, to);
    this.#disks.unnamed(this.#process, from);
    const disk = this.#disks.of(from);
    if (!disk.isDurable(from)) this.#disks.onNamedEarly(this.#process);
    disk.rename(from, to);
  }

  /** All roots lie on one file system, as they do on a machine with one data folder. */
  link(path: string, second: string): boolean {
    return this.#alive() && this.#disks.of(path).link(path, second, this.#disks.of(second));
  }

  removeDirectory(directory: string): void {
    if (this.#alive()) this.#disks.of(directory).removeDirectory(directory);
  }

  syncDirectory(directory: string): Promise<void> {
    return this.#disks.async(this.#process, () => this.#disks.of(directory).syncDirectory(directory));
  }

  freeBytes(directory: string): number {
    return this.#disks.of(directory).freeBytes();
  }
}

class ProcessFile implements DiskFile {
  readonly path: string;
  readonly #disks: Disks;
  readonly #process: SimProcess;
  readonly #file: DiskFile;

  constructor(disks: Disks, process: SimProcess, file: DiskFile) {
    this.path = file.path;
    this.#disks = disks;
    this.#process = process;
    this.#file = file;
  }

  sizeBytes(): number {
    return this.#process.isAlive ? this.#file.sizeBytes() : 0;
  }

  writeSync(parts: readonly Uint8Array[], position: number): void {
    if (this.#process.isAlive) this.#file.writeSync(parts, position);
  }

  readSync(target: Uint8Array, position: number): number {
    return this.#process.isAlive ? this.#file.readSync(target, position) : 0;
  }

  write(parts: readonly Uint8Array[], position: number): Promise<void> {
    return this.#disks.async(this.#process, () => this.#file.write(parts, position));
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return this.#disks.async(this.#process, () => this.#file.read(target, position));
  }

  datasync(): Promise<void> {
    return this.#disks.async(this.#process, () => this.#file.datasync());
  }

  close(): void {
    if (this.#process.isAlive) this.#file.close();
  }
}

function deadFile(path: string): DiskFile {
  return {
    path,
    sizeBytes: () => 0,
    writeSync: () => undefined,
    readSync: () => 0,
    write: () => never,
    read: () => never,
    datasync: () => never,
    close: () => undefined,
  };
}
