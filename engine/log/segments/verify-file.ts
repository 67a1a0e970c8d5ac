/**
 * Reads one segment file from end to end and reports what differs from what was written. The file's table describes it, so
 * nothing but its bytes is needed. The caller passes the function that reads, and so sets the pace.
 */
import { crc32c } from '../../kernel/crc32c.ts';
import { batchField, batchHeaderBytes, batchMagic, batchSizeBytes, lastOffset } from '../../records/batch.ts';
import { LeaderEpochs } from '../fold/leader-epochs.ts';
import {
  decodeFooter,
  decodeIndex,
  decodeState,
  decodeTable,
  segmentFileMagic,
  segmentFooterBytes,
  type TableEntry,
} from './segment-format.ts';
import { batchDamage, type EpochAt } from './verify-batch.ts';

/** Which bytes are bad and whose they are; names a log when the damage is in one log's share of the file. */
export interface Damage {
  readonly position: number;
  readonly what: string;
  /** base64url, as in a URL. */
  readonly topicId?: string;
  readonly partition?: number;
  /** The damaged batch's first offset, where readers stop, and the end of its segment; absent when readers lose nothing. */
  readonly fromOffset?: number;
  readonly toOffset?: number;
}

/** Returns exactly `bytes` bytes; fewer only when the file ends early. */
export type ReadAt = (position: number, bytes: number) => Promise<Buffer>;

/** Empty when the file is intact. Reads `sliceBytes` at a time, more only for a longer batch or state. */
export async function verifyFile(read: ReadAt, sizeBytes: number, sliceBytes: number): Promise<Damage[]> {
  const out: Damage[] = [];
  if (sizeBytes < segmentFileMagic.length + segmentFooterBytes) return [{ position: 0, what: 'cut short' }];
  const magic = await read(0, segmentFileMagic.length);
  if (!magic.equals(segmentFileMagic)) out.push({ position: 0, what: 'bad magic' });
  const footerAt = sizeBytes - segmentFooterBytes;
  const footer = decodeFooter(await read(footerAt, segmentFooterBytes));
  if (footer?.position !== footerAt - (footer?.bytes ?? 0)) return [...out, { position: footerAt, what: 'bad footer' }];
  const table = await read(footer.position, footer.bytes);
  const entries = crc32c(table) === footer.crc ? decodeTable(table, footer.position) : undefined;
  if (!entries) return [...out, { position: footer.position, what: 'bad table' }];
  for (const entry of entries) {
    const damage = await verifyEntry(read, entry, sliceBytes);
    for (const one of damage) out.push({ ...one, topicId: entry.topicId, partition: entry.partition });
  }
  return out;
}

async function verifyEntry(read: ReadAt, entry: TableEntry, sliceBytes: number): Promise<Damage[]> {
  const out: Damage[] = [];
  const index = await read(entry.indexPosition, entry.indexBytes);
  if (!decodeIndex(index)) out.push({ position: entry.indexPosition, what: 'bad index' });
  const stateAt = entry.indexPosition + entry.indexBytes;
  const state = decodeState(await read(stateAt, entry.stateBytes));
  if (!state) out.push({ position: stateAt, what: 'bad state snapshot' });
  const epochs = new LeaderEpochs(state?.epochs);
  const damage = await verifyBatches(read, entry, sliceBytes, (offset) => epochs.at(offset));
  if (damage) out.push(damage);
  return out;
}

/** Reports only the first bad batch: behind it, batches cannot be found reliably. */
async function verifyBatches(
  read: ReadAt,
  entry: TableEntry,
  sliceBytes: number,
  epochAt: EpochAt,
): Promise<Damage | undefined> {
  let bytes: Buffer = Buffer.alloc(0);
  let position = 0;
  let expected = entry.baseOffset;
  const bad = (what: string): Damage => {
    return { position: entry.position + position, what, fromOffset: expected, toOffset: entry.endOffset };
  };
  while (position < entry.bytes) {
    const left = entry.bytes - position;
    const needs = neededBytes(bytes, left);
    if (needs === undefined) return bad('no batch');
    if (needs > bytes.length) {
      const more = Math.min(Math.max(needs, sliceBytes), left) - bytes.length;
      const slice = await read(entry.position + position + bytes.length, more);
      if (slice.length < more) return bad('cut short');
      bytes = bytes.length === 0 ? slice : Buffer.concat([bytes, slice]);
      continue;
    }
    const damage = batchDamage(bytes, 0, expected, entry.endOffset, epochAt);
    if (damage !== undefined) return bad(damage);
    expected = lastOffset(bytes, 0) + 1;
    position += needs;
    bytes = bytes.subarray(needs);
  }
  return expected === entry.endOffset ? undefined : bad(`ends at offset ${expected}, not ${entry.endOffset}`);
}

/** How many bytes, from the batch's start, are needed to judge it; undefined when no batch that fits in `left` begins here. */
function neededBytes(bytes: Buffer, left: number): number | undefined {
  if (left < batchHeaderBytes) return undefined;
  if (bytes.length < batchHeaderBytes) return batchHeaderBytes;
  const size = batchSizeBytes(bytes, 0);
  return size >= batchHeaderBytes && size <= left && bytes[batchField.magic] === batchMagic ? size : undefined;
}
