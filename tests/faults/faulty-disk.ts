/**
 * The system's disk with faults, under a real broker process. What a rule (rule.ts) names fails as the operating system
 * would let it fail; everything else reaches the file. And it keeps a journal of what was written and what was synced, from
 * which power-loss.ts makes the files that a loss of power leaves.
 */
import { appendFileSync } from 'node:fs';
import { type Disk, DiskFault, type DiskFile, DiskFull } from '../../engine/ports.ts';
import type { JournalEntry } from './power-loss.ts';
import { type Call, type DiskRule, metRule } from './rule.ts';

export function faultyDisk(disk: Disk, folder: string): Disk {
  const journal = new Journal(`${folder}/${process.pid}.journal`);
  const check = (call: Call, path: string): void => {
    const rule = metRule(folder, call, path);
    if (rule) fail(rule, call, path);
  };
  return {
    ...disk,
    create(path) {
      check('write', path);
      journal.add({ op: 'create', path });
      return new FaultyFile(disk.create(path), folder, journal);
    },
    remove(path) {
      disk.remove(path);
      journal.add({ op: 'remove', path });
    },
    rename(from, to) {
      disk.rename(from, to);
      journal.add({ op: 'rename', path: from, to });
    },
    // The journal knows files by one name.
    link: () => false,
    open: (path) => new FaultyFile(disk.open(path), folder, journal),
    async syncDirectory(directory) {
      check('datasync', directory);
      const mark = journal.mark();
      await disk.syncDirectory(directory);
      journal.add({ op: 'synced-directory', path: directory, before: mark });
    },
    freeBytes: (directory) => (metRule(folder, 'measure', directory) ? 0 : disk.freeBytes(directory)),
  };
}

function fail(rule: DiskRule, call: Call, path: string): never {
  const text = `${call} ${path}: ${rule.error === 'full' ? 'ENOSPC' : 'EIO'} by a test`;
  throw rule.error === 'full' ? new DiskFull(text) : new DiskFault(text);
}

class FaultyFile implements DiskFile {
  readonly path: string;
  readonly #file: DiskFile;
  readonly #folder: string;
  readonly #journal: Journal;

  constructor(file: DiskFile, folder: string, journal: Journal) {
    this.path = file.path;
    this.#file = file;
    this.#folder = folder;
    this.#journal = journal;
  }

  sizeBytes(): number {
    return this.#file.sizeBytes();
  }

  writeSync(parts: readonly Uint8Array[], position: number): void {
    const { parts: arriving, rule } = this.#arriving(parts, position);
    if (arriving.length > 0) this.#file.writeSync(arriving, position);
    if (rule) fail(rule, 'write', this.path);
  }

  async write(parts: readonly Uint8Array[], position: number): Promise<void> {
    const { parts: arriving, rule } = this.#arriving(parts, position);
    if (arriving.length > 0) await this.#file.write(arriving, position);
    if (rule) fail(rule, 'write', this.path);
  }

  readSync(target: Uint8Array, position: number): number {
    this.#check('read');
    return this.#file.readSync(target, position);
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    this.#check('read');
    return this.#file.read(target, position);
  }

  async datasync(): Promise<void> {
    this.#check('datasync');
    const mark = this.#journal.mark();
    await this.#file.datasync();
    this.#journal.add({ op: 'synced', path: this.path, before: mark });
  }

  close(): void {
    this.#file.close();
  }

  #check(call: Call): void {
    const rule = metRule(this.#folder, call, this.path);
    if (rule) fail(rule, call, this.path);
  }

  /** What of a write reaches the file, written into the journal before it does. */
  #arriving(
    parts: readonly Uint8Array[],
    position: number,
  ): { readonly parts: readonly Uint8Array[]; readonly rule: DiskRule | undefined } {
    const rule = metRule(this.#folder, 'write', this.path);
    const whole = Buffer.concat(parts);
    const data = rule ? whole.subarray(0, rule.afterBytes ?? 0) : whole;
    if (data.length === 0) return { parts: [], rule };
    this.#journal.add({ op: 'write', path: this.path, position, data: data.toString('base64') });
    return { parts: [data], rule };
  }
}

class Journal {
  readonly #path: string;
  #count = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Entries so far. */
  mark(): number {
    return this.#count;
  }

  add(entry: JournalEntry): void {
    appendFileSync(this.#path, `${JSON.stringify(entry)}\n`);
    this.#count++;
  }
}
