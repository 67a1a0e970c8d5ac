/**
 * The Disk port in memory, for tests and the simulator: deterministic, and as forgetful as a real disk. Each file has one
 * image that readers see (the page cache) and one that a power loss leaves. A write reaches the second with datasync; a new
 * or removed name becomes durable with syncDirectory. `crash` decides from a seed what else survives, sector by sector, so
 * a later write may survive where an earlier one is lost.
 *
 * Directories are durable at once, as makeDirectory promises. Reads are never short before the end of the file.
 */
import { dirname } from 'node:path/posix';
import { assert } from '../../kernel/assert.ts';
import { below, type Random } from '../../kernel/random.ts';
import { type Disk, DiskFault, type DiskFile, DiskFull } from '../../ports.ts';

/** A disk writes whole sectors; a torn write tears between them. */
const sectorBytes = 512;

/** Applied once, to the next matching call. Without a path, any file matches. */
export type DiskFaultPlan =
  /** Only the first `afterBytes` of the next write of `bytesMin` or more arrive; then the disk is full. */
  | {
      readonly on: 'write';
      readonly error: 'full';
      readonly afterBytes: number;
      readonly bytesMin?: number;
      readonly path?: string;
      met?(): void;
    }
  /** Only `afterBytes` of the next write arrive, and the caller is not told how much. */
  | { readonly on: 'write'; readonly error: 'io'; readonly afterBytes?: number; readonly path?: string }
  /** The path of a directory for syncDirectory. */
  | { readonly on: 'read' | 'datasync' | 'syncDirectory'; readonly error: 'io'; readonly path?: string };

export interface MemoryDiskOptions {
  /** Writes that would exceed it throw DiskFull. */
  readonly capacityBytes?: number;
  /** Every call on the thread pool awaits it before taking effect: the simulator's disk latency. */
  readonly latency?: (call: 'write' | 'read' | 'datasync' | 'syncDirectory') => Promise<void>;
}

export class MemoryDisk implements Disk {
  readonly #capacityBytes: number;
  readonly #latency: MemoryDiskOptions['latency'];
  readonly #directories = new Set(['/']);
  #files = new Map<string, Inode>();
  #durableFiles = new Map<string, Inode>();
  readonly #plans: DiskFaultPlan[] = [];
  #boot = 1;
  /** While true, somebody else uses up all free space. */
  isTaken = false;
  /** Names that the disk refuses to take away (a bad sector, an attribute that somebody has set). */
  refusesRemoval: (path: string) => boolean = () => false;

  constructor(options: MemoryDiskOptions = {}) {
    this.#capacityBytes = options.capacityBytes ?? Infinity;
    this.#latency = options.latency;
  }

  create(path: string): DiskFile {
    if (this.#files.has(path)) throw new DiskFault(`create ${path}: EEXIST`);
    if (!this.#directories.has(dirname(path))) throw new DiskFault(`create ${path}: ENOENT`);
    const inode = new Inode();
    this.#files.set(path, inode);
    return this.#handle(path, inode);
  }

  open(path: string): DiskFile {
    return this.#handle(path, this.#inode('open', path));
  }

  exists(path: string): boolean {
    return this.#files.has(path) || this.#directories.has(path);
  }

  /** Whether a file has this name and would still have it after a crash. */
  isDurable(path: string): boolean {
    return this.#files.has(path) && this.#durableFiles.get(path) === this.#files.get(path);
  }

  list(directory: string): string[] {
    const names: string[] = [];
    for (const path of [...this.#files.keys(), ...this.#directories]) {
      if (path !== directory && dirname(path) === directory)
        names.push(path.slice(directory === '/' ? 1 : directory.length + 1));
    }
    return names.sort();
  }

  makeDirectory(directory: string): void {
    for (let path = directory; !this.#directories.has(path); path = dirname(path)) {
      if (this.#files.has(path)) throw new DiskFault(`make ${directory}: ENOTDIR`);
      this.#directories.add(path);
    }
  }

  remove(path: string): void {
    this.#inode('remove', path);
    if (this.refusesRemoval(path)) throw new DiskFault(`remove ${path}: EPERM`);
    this.#files.delete(path);
  }

  rename(from: string, to: string): void {
    const inode = this.#inode('rename', from);
    if (this.refusesRemoval(from)) throw new DiskFault(`rename ${from}: EPERM`);
    if (this.#files.has(to)) throw new DiskFault(`rename ${from}: ${to} is there`);
    this.#files.delete(from);
    this.#files.set(to, inode);
  }

  link(path: string, second: string, target: MemoryDisk = this): boolean {
    target.#adopt(this.#inode('link', path), second);
    return true;
  }

  removeDirectory(directory: string): void {
    if (!this.#directories.has(directory)) throw new DiskFault(`remove ${directory}: ENOENT`);
    if (this.list(directory).length > 0) throw new DiskFault(`remove ${directory}: ENOTEMPTY`);
    this.#directories.delete(directory);
  }

  async syncDirectory(directory: string): Promise<void> {
    if (!this.#directories.has(directory)) throw new DiskFault(`sync ${directory}: ENOENT`);
    const boot = this.#boot;
    await this.#latency?.('syncDirectory');
    this.checkBoot(boot, directory);
    if (this.takePlan('syncDirectory', directory)) throw new DiskFault(`sync ${directory}: EIO`);
    for (const path of this.#durableFiles.keys()) {
      if (dirname(path) === directory && !this.#files.has(path)) this.#durableFiles.delete(path);
    }
    for (const [path, inode] of this.#files) if (dirname(path) === directory) this.#durableFiles.set(path, inode);
  }

  freeBytes(): number {
    if (this.isTaken) return 0;
    if (this.#capacityBytes === Infinity) return Infinity;
    let used = 0;
    for (const inode of new Set(this.#files.values())) used += inode.seen.length;
    return Math.max(0, this.#capacityBytes - used);
  }

  /** Makes the next matching call fail like this; plans wait in order. */
  plan(plan: DiskFaultPlan): void {
    this.#plans.push(plan);
  }

  /** Drops the plans that have not been used. */
  forgetPlans(): void {
    this.#plans.length = 0;
  }

  /** Copies the disk as it is now, unsynced data included; later changes do not reach the copy. */
  copy(latency?: MemoryDiskOptions['latency']): MemoryDisk {
    const copy = new MemoryDisk({ capacityBytes: this.#capacityBytes, ...(latency ? { latency } : {}) });
    for (const directory of this.#directories) copy.#directories.add(directory);
    const inodes = new Map<Inode, Inode>();
    for (const [path, inode] of this.#files) {
      let copied = inodes.get(inode);
      if (!copied) inodes.set(inode, (copied = inode.copy()));
      copy.#files.set(path, copied);
      copy.#durableFiles.set(path, copied);
    }
    return copy;
  }

  /** Bit rot, both in what readers see and in what a crash leaves. */
  flipBit(path: string, bit: number): void {
    const inode = this.#inode('flip', path);
    inode.seen.flip(bit);
    inode.durable.flip(bit);
  }

  /**
   * Power loss: every open file is dead, and `keep` decides what survives of the unsynced data. A Random keeps or loses
   * each name and each sector of each write on its own; 'none' is the harshest disk, 'all' the luckiest.
   */
  crash(keep: Random | 'none' | 'all'): void {
    const survives = (): boolean => (typeof keep === 'string' ? keep === 'all' : below(keep, 2) === 1);
    this.#boot++;
    const files = new Map<string, Inode>();
    const crashed = new Set<Inode>();
    // Sorted by name, so that the outcome depends on the seed and not on the order of creation.
    for (const path of [...new Set([...this.#files.keys(), ...this.#durableFiles.keys()])].sort()) {
      const after = this.#files.get(path);
      const before = this.#durableFiles.get(path);
      const inode = after === before || survives() ? after : before;
      if (inode === undefined || !this.#directories.has(dirname(path))) continue;
      // An inode crashes once, however many names it has.
      if (!crashed.has(inode)) inode.crash(survives);
      crashed.add(inode);
      files.set(path, inode);
    }
    this.#files = files;
    this.#durableFiles = new Map(files);
  }

  // --- For the files of this disk ---

  /** A call that began before a crash must not touch the disk after it. */
  checkBoot(boot: number, path: string): void {
    if (boot !== this.#boot) throw new DiskFault(`${path}: opened before a crash`);
  }

  async wait(call: 'write' | 'read' | 'datasync'): Promise<void> {
    await this.#latency?.(call);
  }

  /** `bytes`: the size of the write. */
  takePlan(on: DiskFaultPlan['on'], path: string, bytes = 0): DiskFaultPlan | undefined {
    const isLong = (plan: DiskFaultPlan): boolean => !('bytesMin' in plan) || bytes >= (plan.bytesMin ?? 0);
    const index = this.#plans.findIndex((plan) => plan.on === on && (plan.path ?? path) === path && isLong(plan));
    return index < 0 ? undefined : this.#plans.splice(index, 1)[0];
  }

  #adopt(inode: Inode, path: string): void {
    if (this.#files.has(path)) throw new DiskFault(`link ${path}: EEXIST`);
    if (!this.#directories.has(dirname(path))) throw new DiskFault(`link ${path}: ENOENT`);
    this.#files.set(path, inode);
  }

  #inode(act: string, path: string): Inode {
    const inode = this.#files.get(path);
    if (inode === undefined) throw new DiskFault(`${act} ${path}: ENOENT`);
    return inode;
  }

  #handle(path: string, inode: Inode): DiskFile {
    return new MemoryFile(this, this.#boot, path, inode);
  }
}

class MemoryFile implements DiskFile {
  readonly path: string;
  readonly #disk: MemoryDisk;
  readonly #boot: number;
  readonly #inode: Inode;
  #closed = false;
  #syncFailed = false;

  constructor(disk: MemoryDisk, boot: number, path: string, inode: Inode) {
    this.#disk = disk;
    this.#boot = boot;
    this.path = path;
    this.#inode = inode;
  }

  sizeBytes(): number {
    this.#check();
    return this.#inode.seen.length;
  }

  writeSync(parts: readonly Uint8Array[], position: number): void {
    this.#check();
    const bytes = Buffer.concat(parts);
    const plan = this.#disk.takePlan('write', this.path, bytes.length);
    const { afterBytes = plan?.error === 'io' ? 0 : Infinity } = plan?.on === 'write' ? plan : {};
    if (plan?.error === 'io') {
      this.#inode.write(bytes.subarray(0, afterBytes), position);
      throw new DiskFault(`write ${this.path}: EIO`);
    }
    // Like write(2): the part that fits is written before the error.
    const growth = position + bytes.length - this.#inode.seen.length;
    const over = Math.max(0, growth - this.#disk.freeBytes());
    if (plan?.error === 'full') plan.met?.();
    const fits = Math.min(Math.max(0, bytes.length - over), afterBytes);
    this.#inode.write(bytes.subarray(0, fits), position);
    if (fits < bytes.length) throw new DiskFull(`write ${this.path}: ENOSPC`);
  }

  readSync(target: Uint8Array, position: number): number {
    this.#check();
    if (this.#disk.takePlan('read', this.path)) throw new DiskFault(`read ${this.path}: EIO`);
    return this.#inode.seen.read(target, position);
  }

  async write(parts: readonly Uint8Array[], position: number): Promise<void> {
    this.#check();
    await this.#disk.wait('write');
    this.writeSync(parts, position);
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    this.#check();
    await this.#disk.wait('read');
    return this.readSync(target, position);
  }

  /** Covers the writes made before the call. Until it resolves, a crash may lose them. */
  async datasync(): Promise<void> {
    this.#check();
    if (this.#syncFailed) throw new DiskFault(`sync ${this.path}: an earlier sync failed`);
    const last = this.#inode.lastWrite;
    await this.#disk.wait('datasync');
    this.#disk.checkBoot(this.#boot, this.path);
    if (this.#disk.takePlan('datasync', this.path)) {
      this.#syncFailed = true;
      // Linux marks the pages clean although they are not on disk: readers see them until the crash.
      this.#inode.forget(last);
      throw new DiskFault(`sync ${this.path}: EIO`);
    }
    this.#inode.sync(last);
  }

  close(): void {
    this.#closed = true;
  }

  #check(): void {
    assert(!this.#closed, 'a closed file is not used');
    this.#disk.checkBoot(this.#boot, this.path);
  }
}

interface PendingWrite {
  readonly number: number;
  readonly position: number;
  readonly bytes: Buffer;
}

/** One file's contents: what readers see, what is durable, and the writes in between. */
class Inode {
  seen = new Image();
  durable = new Image();
  lastWrite = 0;
  #pending: PendingWrite[] = [];

  /** The inode takes ownership of `bytes`. */
  write(bytes: Buffer, position: number): void {
    if (bytes.length === 0) return;
    this.seen.write(bytes, position);
    this.#pending.push({ number: ++this.lastWrite, position, bytes });
  }

  sync(last: number): void {
    for (const write of this.#pending) if (write.number <= last) this.durable.write(write.bytes, write.position);
    this.forget(last);
  }

  forget(last: number): void {
    this.#pending = this.#pending.filter((write) => write.number > last);
  }

  copy(): Inode {
    const copy = new Inode();
    copy.seen = this.seen.copy();
    copy.durable = this.seen.copy();
    return copy;
  }

  crash(survives: () => boolean): void {
    for (const { position, bytes } of this.#pending) {
      for (let from = 0; from < bytes.length; ) {
        // Up to the next sector boundary of the file, not of the write.
        const until = Math.min(bytes.length, from + sectorBytes - ((position + from) % sectorBytes));
        if (survives()) this.durable.write(bytes.subarray(from, until), position + from);
        from = until;
      }
    }
    this.#pending = [];
    this.seen = this.durable.copy();
  }
}

/** Growable bytes; a gap reads as zeroes, like in a sparse file. */
class Image {
  length = 0;
  #bytes = Buffer.alloc(0);

  write(bytes: Uint8Array, position: number): void {
    const end = position + bytes.length;
    if (end > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(end, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, this.length));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, position);
    this.length = Math.max(this.length, end);
  }

  read(target: Uint8Array, position: number): number {
    const span = this.#bytes.subarray(Math.min(position, this.length), Math.min(position + target.length, this.length));
    target.set(span);
    return span.length;
  }

  flip(bit: number): void {
    if (bit >> 3 < this.length) this.#bytes[bit >> 3]! ^= 1 << (bit & 7);
  }

  copy(): Image {
    const out = new Image();
    out.write(this.#bytes.subarray(0, this.length), 0);
    return out;
  }
}
