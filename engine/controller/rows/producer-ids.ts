/**
 * The next block of producer ids. Key: IDS PRODUCER. Value: next, the first id that no controller has taken. An
 * installation never gives the same id twice; ids that remain unused in a taken block are skipped.
 */
import type { Row, RowKey } from '../../ports.ts';
import { rowText } from '../../store-row-checksum.ts';
import { rowFields, unlessDamaged } from '../../store-row-json.ts';

export interface ProducerIdsRow {
  readonly next: number;
}

export const producerIdsKey: RowKey = { pk: 'IDS', sk: 'PRODUCER' };

export function encodeProducerIds(ids: ProducerIdsRow): string {
  return rowText({ next: ids.next });
}

/** More than any program takes at once. */
export const producerIdsPerBlockMax = 1_000_000;

/**
 * The first id that is surely free. Each block is one write of the row, so its version bounds what has been given even
 * where the row is damaged: producers get ids from further on, and none that another has.
 */
export function nextProducerId(row: Row | undefined): number {
  return row ? (unlessDamaged(row, decodeProducerIds)?.next ?? row.version * producerIdsPerBlockMax) : 0;
}

/** Throws RowCorrupt. */
export function decodeProducerIds(row: Row): ProducerIdsRow {
  return { next: rowFields(row).whole('next') };
}
