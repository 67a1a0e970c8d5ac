/**
 * A segment file whose batches stay where they were first written: in chunks of a write-ahead log, which get a second name
 * for it. The cost of making one depends only on the number of batches, not on their bytes, so a log's tail can change
 * owners in the time of one small sync. Readers see the same bytes as in any other segment file.
 *
 *   file   = 8 bytes magic, what was written, map, footer
 *   map    = per run of bytes: position in the segment file i64 | source i32, -1 for this file itself | position there i64
 *   footer = map position i64 | map bytes u32 | bytes of the segment file i64 | map crc u32 | crc u32 of these | 8 bytes magic
 */
import { crc32c } from '../../kernel/crc32c.ts';
import { type DiskFile, DiskFault, type SegmentFile } from '../../ports.ts';
import { readI32, readI64, readU32, writeI32, writeI64 } from '../../records/bytes.ts';

const magic = Buffer.from('HGPCEv01', 'latin1');
const runBytes = 20;
const footerBytes = 36;
const ownBytes = -1;

/** Largest gap between two pieces that one read covers, and the largest such read. */
const gapBytesMax = 16 * 1024;
const spanBytesMax = 1024 * 1024;

interface Run {
  /** Position in the segment file. */
  readonly position: number;
  readonly source: number;
  readonly at: number;
}

/** Collects the runs that the file consists of. */
export class PieceMap {
  readonly #runs: Run[] = [];
  readonly #parts: Uint8Array[] = [magic];
  #writtenBytes = magic.length;
  #bytes = 0;

  write(parts: readonly Uint8Array[]): void {
    for (const part of parts) {
      this.#add(ownBytes, this.#writtenBytes, part.length);
      this.#parts.push(part);
      this.#writtenBytes += part.length;
    }
  }

  place(source: number, position: number, bytes: number): void {
    this.#add(source, position, bytes);
  }

  /** Everything that the file itself holds. */
  encode(): Uint8Array[] {
    const map = Buffer.allocUnsafe(this.#runs.length * runBytes);
    for (const [i, { position, source, at }] of this.#runs.entries()) {
      writeI64(map, i * runBytes, position);
      writeI32(map, i * runBytes + 8, source);
      writeI64(map, i * runBytes + 12, at);
    }
    const footer = Buffer.allocUnsafe(footerBytes);
    writeI64(footer, 0, this.#writtenBytes);
    writeI32(footer, 8, map.length);
    writeI64(footer, 12, this.#bytes);
    writeI32(footer, 20, crc32c(map));
    writeI32(footer, 24, crc32c(footer, 0, 0, 24));
    magic.copy(footer, 28);
    return [...this.#parts, map, footer];
  }

  #add(source: number, at: number, bytes: number): void {
    const last = this.#runs.at(-1);
    const continues = last?.source === source && at === last.at + this.#bytes - last.position;
    if (!continues) this.#runs.push({ position: this.#bytes, source, at });
    this.#bytes += bytes;
  }
}

/** Reads through the map, which is loaded with the first read. Throws DiskFault when the map is invalid. */
export class PiecedFile implements SegmentFile {
  readonly #own: DiskFile;
  readonly #openSource: (source: number) => DiskFile;
  readonly #run: <T>(read: () => Promise<T>) => Promise<T>;
  readonly #sources = new Map<number, DiskFile>();
  #map: Promise<{ readonly runs: readonly Run[]; readonly bytes: number }> | undefined;

  /** `run` queues reads that may wait for the device. */
  constructor(own: DiskFile, openSource: (source: number) => DiskFile, run: <T>(read: () => Promise<T>) => Promise<T>) {
    this.#own = own;
    this.#openSource = openSource;
    this.#run = run;
  }

  async sizeBytes(): Promise<number> {
    return (await this.#loaded()).bytes;
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    const { runs, bytes } = await this.#loaded();
    const end = Math.min(position + target.length, bytes);
    for (let i = runAt(runs, position), at = position; at < end; ) {
      const next = await this.#readSpan(runs, i, bytes, { at, end, target, from: position });
      i = next.run;
      at = next.at;
    }
    return Math.max(0, end - position);
  }

  close(): void {
    this.#own.close();
    for (const source of this.#sources.values()) source.close();
  }

  /** Reads pieces that lie close together with one read, and copies each to its place. */
  async #readSpan(
    runs: readonly Run[],
    first: number,
    bytes: number,
    wanted: { readonly at: number; readonly end: number; readonly target: Uint8Array; readonly from: number },
  ): Promise<{ run: number; at: number }> {
    const { target, from } = wanted;
    const { source } = runs[first]!;
    const pieces: { readonly at: number; readonly bytes: number; readonly to: number }[] = [];
    let { at } = wanted;
    let i = first;
    for (; at < wanted.end; i++) {
      const run = runs[i]!;
      const piece = {
        at: run.at + at - run.position,
        bytes: Math.min(endOf(runs, i, bytes), wanted.end) - at,
        to: at - from,
      };
      const last = pieces.at(-1);
      const gap = last ? piece.at - last.at - last.bytes : 0;
      const span = piece.at + piece.bytes - (pieces[0]?.at ?? piece.at);
      if (last && (run.source !== source || gap < 0 || gap > gapBytesMax || span > spanBytesMax)) break;
      pieces.push(piece);
      at += piece.bytes;
    }
    const begin = pieces[0]!.at;
    const lastPiece = pieces.at(-1)!;
    if (pieces.length === 1) {
      await this.#readWhole(source, target.subarray(lastPiece.to, lastPiece.to + lastPiece.bytes), begin);
      return { run: i, at };
    }
    const span = Buffer.allocUnsafeSlow(lastPiece.at + lastPiece.bytes - begin);
    await this.#readWhole(source, span, begin);
    for (const piece of pieces) target.set(span.subarray(piece.at - begin, piece.at - begin + piece.bytes), piece.to);
    return { run: i, at };
  }

  async #readWhole(source: number, target: Uint8Array, position: number): Promise<void> {
    const file = source === ownBytes ? this.#own : this.#source(source);
    const got = await this.#run(() => file.read(target, position));
    if (got < target.length) throw new DiskFault(`${file.path} ends before byte ${position + target.length}`);
  }

  #source(source: number): DiskFile {
    let file = this.#sources.get(source);
    if (!file) this.#sources.set(source, (file = this.#openSource(source)));
    return file;
  }

  #loaded(): Promise<{ readonly runs: readonly Run[]; readonly bytes: number }> {
    if (this.#map) return this.#map;
    const map = (this.#map = this.#load());
    // The file stays open for a long time, and a read that failed once may succeed next time.
    map.catch(() => (this.#map = undefined));
    return map;
  }

  async #load(): Promise<{ runs: readonly Run[]; bytes: number }> {
    const footerAt = this.#own.sizeBytes() - footerBytes;
    const damaged = new DiskFault(`${this.#own.path} has no map of its pieces`);
    if (footerAt < magic.length) throw damaged;
    const footer = Buffer.allocUnsafe(footerBytes);
    await this.#readWhole(ownBytes, footer, footerAt);
    const isFooter = footer.subarray(28).equals(magic) && readU32(footer, 24) === crc32c(footer, 0, 0, 24);
    const mapBytes = readU32(footer, 8);
    const mapAt = footerAt - mapBytes;
    if (!isFooter || readI64(footer, 0) !== mapAt || mapAt < magic.length || mapBytes % runBytes !== 0) throw damaged;
    const map = Buffer.allocUnsafe(mapBytes);
    await this.#readWhole(ownBytes, map, mapAt);
    if (crc32c(map) !== readU32(footer, 20)) throw damaged;
    const runs: Run[] = [];
    for (let at = 0; at < mapBytes; at += runBytes) {
      runs.push({ position: readI64(map, at), source: readI32(map, at + 8), at: readI64(map, at + 12) });
    }
    const bytes = readI64(footer, 12);
    if (!areConsecutive(runs, bytes)) throw damaged;
    return { runs, bytes };
  }
}

/** Whether each run begins where the one before it ended, from the first byte on, and holds something. */
function areConsecutive(runs: readonly Run[], bytes: number): boolean {
  if (!Number.isSafeInteger(bytes) || (runs[0]?.position ?? bytes) !== 0) return false;
  return runs.every(({ position, source, at }, i) => position < endOf(runs, i, bytes) && source >= ownBytes && at >= 0);
}

/** Index of the run that holds `position`. */
function runAt(runs: readonly Run[], position: number): number {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (runs[middle]!.position <= position) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function endOf(runs: readonly Run[], index: number, bytes: number): number {
  return runs[index + 1]?.position ?? bytes;
}
