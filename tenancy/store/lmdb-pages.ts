/**
 * Walks the pages of an LMDB file and finds those that are no pages any more: zeroed, torn, cut off, or older than what
 * points to them. LMDB has no checksums, and ends the process without a message when it meets such a page
 * (`mdb_cursor_next` asserts that it is a leaf); before the last page of a short file the system sends SIGBUS. What values say
 * is not looked at: rows have their own checksums.
 *
 *   page   number u64, commit u64, u16, kind u16, end of the pointers u16, begin of the nodes u16, pointers u16…, nodes
 *   node   size u32 (below a branch: the number of a page, with the flags as its upper part), flags u16, key's length u16,
 *          key, value
 *
 * Pointers and both bounds count from the end of the header. All integers are in the machine's order, as LMDB has them.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const headerBytes = 24;
const nodeBytes = 8;
const branch = 1;
const leaf = 2;
const overflow = 4;
/** Flag of a node whose value is in pages of its own: number u64, commit u64, how many u64. */
const isBig = 1;
const bigBytes = 24;
const metaPages = 2;
/** Within a meta page (lmdb-header.ts): two trees of 48 bytes, the last page's number, the number of the commit. */
const treesAt = 48;
const treeBytes = 48;
const lastPageAt = treesAt + 2 * treeBytes;
const commitAt = lastPageAt + 8;

interface Tree {
  readonly depth: number;
  readonly entries: number;
  readonly root: number;
  /** Keys are numbers, in the order of numbers. */
  readonly hasNumbers: boolean;
}

class Damaged extends Error {}

/**
 * What is wrong with the file, undefined for nothing. To be asked before this process opens the file. When others commit
 * meanwhile, pages are used again, and nothing is said.
 */
export function pageDamage(path: string, pageBytes: number): string | undefined {
  const file = openSync(path, 'r');
  try {
    const before = newestMeta(file, pageBytes);
    // Nobody has committed anything, or LMDB makes the file just now.
    if (!before) return undefined;
    try {
      new Walk(file, pageBytes, before).all();
      return undefined;
    } catch (error) {
      if (!(error instanceof Damaged)) throw error;
      const isStill = newestMeta(file, pageBytes)?.equals(before);
      return isStill ? error.message : undefined;
    }
  } finally {
    closeSync(file);
  }
}

function newestMeta(file: number, pageBytes: number): Buffer | undefined {
  const both = Buffer.alloc(metaPages * pageBytes);
  if (readSync(file, both, 0, both.length, 0) < both.length) return undefined;
  const [first, second] = [both.subarray(0, pageBytes), both.subarray(pageBytes)] as const;
  return first.readBigUInt64LE(commitAt) > second.readBigUInt64LE(commitAt) ? first : second;
}

class Walk {
  readonly #file: number;
  readonly #pageBytes: number;
  readonly #meta: Buffer;
  readonly #lastPage: number;
  readonly #commit: bigint;
  readonly #seen: Uint8Array;
  #entries = 0;

  constructor(file: number, pageBytes: number, meta: Buffer) {
    this.#file = file;
    this.#pageBytes = pageBytes;
    this.#meta = meta;
    this.#lastPage = Number(meta.readBigUInt64LE(lastPageAt));
    this.#commit = meta.readBigUInt64LE(commitAt);
    const pages = Math.floor(fstatSync(file).size / pageBytes);
    if (this.#lastPage >= pages) throw new Damaged(`it has ${pages} pages of ${this.#lastPage + 1}`);
    this.#seen = new Uint8Array(this.#lastPage + 1);
  }

  /** Throws Damaged. */
  all(): void {
    for (let at = treesAt; at < lastPageAt; at += treeBytes) {
      const tree = this.#tree(at);
      this.#entries = 0;
      if (tree.depth > 0) this.#page(tree, tree.root, tree.depth, undefined, undefined);
      if (this.#entries !== tree.entries)
        throw new Damaged(`${this.#entries} of ${tree.entries} entries are in its pages`);
    }
  }

  #tree(at: number): Tree {
    return {
      hasNumbers: (this.#meta.readUInt16LE(at + 4) & 8) !== 0,
      depth: this.#meta.readUInt16LE(at + 6),
      entries: Number(this.#meta.readBigUInt64LE(at + 32)),
      root: Number(this.#meta.readBigUInt64LE(at + 40)),
    };
  }

  /** `low` and `high`: all keys lie between them, `high` excluded. */
  #page(tree: Tree, number: number, levels: number, low: Buffer | undefined, high: Buffer | undefined): void {
    const page = this.#read(number, levels > 1 ? branch : leaf);
    const keys = this.#keysOf(page, number, tree, levels);
    const isLess = (a: Buffer, b: Buffer): boolean =>
      tree.hasNumbers ? a.readBigUInt64LE() < b.readBigUInt64LE() : Buffer.compare(a, b) < 0;
    let last = low;
    for (const [i, { key, at }] of keys.entries()) {
      // The first key of a branch is not kept: it stands for everything below the second.
      const isOpen = levels > 1 && i === 0;
      const isSorted = isOpen || !last || (last === low ? !isLess(key, last) : isLess(last, key));
      if (!isSorted || (high && !isOpen && !isLess(key, high))) throw damaged(number, 'its keys are out of order');
      if (levels === 1) this.#value(page, number, at);
      else this.#page(tree, childOf(page, at), levels - 1, isOpen ? low : key, keys[i + 1]?.key ?? high);
      if (!isOpen) last = key;
    }
    if (levels === 1) this.#entries += keys.length;
  }

  #keysOf(page: Buffer, number: number, tree: Tree, levels: number): { readonly key: Buffer; readonly at: number }[] {
    const lower = page.readUInt16LE(20);
    const upper = page.readUInt16LE(22);
    const room = this.#pageBytes - headerBytes;
    if (lower % 2 !== 0 || lower === 0 || lower > upper || upper > room)
      throw damaged(number, 'its header is no header');
    return Array.from({ length: lower / 2 }, (_, i) => {
      const at = headerBytes + page.readUInt16LE(headerBytes + 2 * i);
      const isNode = at >= headerBytes + upper && at + nodeBytes <= this.#pageBytes;
      const keyBytes = isNode ? page.readUInt16LE(at + 6) : 0;
      const isKey = tree.hasNumbers ? keyBytes === 8 : keyBytes > 0;
      const isOpen = levels > 1 && i === 0;
      if (!isNode || !(isKey || isOpen) || at + nodeBytes + keyBytes > this.#pageBytes)
        throw damaged(number, 'it points to no entry');
      return { key: page.subarray(at + nodeBytes, at + nodeBytes + keyBytes), at };
    });
  }

  #value(page: Buffer, number: number, at: number): void {
    const bytes = page.readUInt32LE(at);
    const valueAt = at + nodeBytes + page.readUInt16LE(at + 6);
    const isElsewhere = (page.readUInt16LE(at + 4) & isBig) !== 0;
    if (valueAt + (isElsewhere ? bigBytes : bytes) > this.#pageBytes)
      throw damaged(number, 'an entry reaches beyond its end');
    if (!isElsewhere) return;
    const first = Number(page.readBigUInt64LE(valueAt));
    const pages = Number(page.readBigUInt64LE(valueAt + 16));
    const header = this.#read(first, overflow);
    const isWhole = header.readUInt32LE(20) === pages && headerBytes + bytes <= pages * this.#pageBytes;
    if (!isWhole || first + pages - 1 > this.#lastPage) throw damaged(first, 'its size is not that of its value');
  }

  #read(number: number, kind: number): Buffer {
    if (number < metaPages || number > this.#lastPage) throw damaged(number, 'there is no such page');
    if (this.#seen[number] === 1) throw damaged(number, 'it has two places');
    this.#seen[number] = 1;
    const page = Buffer.allocUnsafe(this.#pageBytes);
    readSync(this.#file, page, 0, page.length, number * this.#pageBytes);
    if (Number(page.readBigUInt64LE(0)) !== number || page.readUInt16LE(18) !== kind)
      throw damaged(number, 'its header is no header');
    if (page.readBigUInt64LE(8) > this.#commit) throw damaged(number, 'it is newer than the last commit');
    return page;
  }
}

function childOf(page: Buffer, at: number): number {
  return page.readUInt32LE(at) + page.readUInt16LE(at + 4) * 2 ** 32;
}

function damaged(page: number, what: string): Damaged {
  return new Damaged(`page ${page}: ${what}`);
}
