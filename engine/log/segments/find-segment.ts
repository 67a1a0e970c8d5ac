/**
 * Restores the row of a segment whose value cannot be read any more (the metadata store has no checksums) from what the
 * segment files say of themselves. Certain it must be: a wrong place would end the log too early, and its acknowledged
 * records would be lost with the offsets that are given out again.
 *
 * The row's key tells the log and the first offset. The file is the one that the value still names. Where the damage is in
 * that name, all files with live segments are asked; the right one is among them, so when only one has such a segment, it
 * is that one.
 */
import { crc32c } from '../../kernel/crc32c.ts';
import { DiskFault, type Row } from '../../ports.ts';
import { allRows, type RowContext, withRetries } from '../rows/change-rows.ts';
import { logPk } from '../rows/log-state.ts';
import { baseOffsetOf, type PublishedSegment } from '../rows/segment.ts';
import { isFileUsed, segmentFileKey, segmentFilePk } from '../rows/segment-file.ts';
import { parseUuid } from '../../kernel/uuid.ts';
import { decodeFooter, decodeTable, segmentFooterBytes, type TableEntry } from './segment-format.ts';

/** Files that are asked when the row does not name its own; with more, the row is not restored. */
const filesMax = 4096;

/** Undefined when no file tells it for certain. Throws the store's failures and those of a segment store that is away. */
export async function findSegment(context: RowContext, row: Row): Promise<PublishedSegment | undefined> {
  const entry = (await namedEntry(context, row)) ?? (await onlyEntry(context, row));
  if (!entry || entry.endOffset < entry.baseOffset) return undefined;
  const { baseOffset, endOffset, fileId, position, bytes, indexPosition, indexBytes, stateBytes, maxTimestamp } = entry;
  const found = { baseOffset, endOffset, fileId, position, bytes, indexPosition, indexBytes, stateBytes, maxTimestamp };
  return { ...found, version: row.version };
}

const fileIdPattern = /b\d{6,}-e\d{10,}-\d{8,}-[0-9a-f]{8}(?:-pieces)?/;

async function namedEntry(context: RowContext, row: Row): Promise<TableEntry | undefined> {
  const [fileId] = fileIdPattern.exec(row.value) ?? [];
  if (fileId === undefined) return undefined;
  const file = await withRetries(context, () => context.store.get(segmentFileKey(fileId)));
  return file && isFileUsed(file.value) ? entryIn(await tableOf(context, fileId), row) : undefined;
}

async function onlyEntry(context: RowContext, row: Row): Promise<TableEntry | undefined> {
  const files = (await allRows(context, segmentFilePk, 'b', 'b~')).filter(({ value }) => isFileUsed(value));
  if (files.length > filesMax) return undefined;
  let found: TableEntry | undefined;
  for (const { sk } of files) {
    const table = await tableOf(context, sk);
    // The one that cannot be read may be the right one.
    if (!table) return undefined;
    const entry = entryIn(table, row);
    if (entry && found) return undefined;
    found ??= entry;
  }
  return found;
}

function entryIn(table: readonly TableEntry[] | undefined, row: Row): TableEntry | undefined {
  const base = baseOffsetOf(row);
  return table?.find(({ topicId, partition, baseOffset }) => {
    const id = parseUuid(topicId);
    return id !== undefined && logPk(id, partition) === row.pk && baseOffset === base;
  });
}

/** Undefined when the file is missing, or has no intact table. */
async function tableOf({ segments }: RowContext, fileId: string): Promise<TableEntry[] | undefined> {
  try {
    const file = segments.open(fileId, 'once');
    try {
      const footerAt = (await file.sizeBytes()) - segmentFooterBytes;
      if (footerAt < 0) return undefined;
      const tail = Buffer.alloc(segmentFooterBytes);
      const footer = (await file.read(tail, footerAt)) === tail.length ? decodeFooter(tail) : undefined;
      if (!footer || footer.position !== footerAt - footer.bytes) return undefined;
      const table = Buffer.allocUnsafe(footer.bytes);
      const isWhole = (await file.read(table, footer.position)) === table.length && crc32c(table) === footer.crc;
      const entries = isWhole ? decodeTable(table, footer.position) : undefined;
      // A file under another's name says nothing of this one.
      return entries?.every((entry) => entry.fileId === fileId) ? entries : undefined;
    } finally {
      file.close();
    }
  } catch (error) {
    if (error instanceof DiskFault) return undefined;
    throw error;
  }
}
