/**
 * The next block of producer ids. Key: IDS PRODUCER. Value: next, the first id that no controller has taken. An
 * installation never gives the same id twice; ids that remain unused in a taken block are skipped.
 */
import type { Row, RowKey } from '../../ports.ts';
import { rowText } from '../../store-row-checksum.ts';
import { rowFields } from '../../store-row-json.ts';

export interface ProducerIdsRow {
  readonly next: number;
}

export const producerIdsKey: RowKey = { pk: 'IDS', sk: 'PRODUCER' };

export function encodeProducerIds(ids: ProducerIdsRow): string {
  return rowText({ next: ids.next });
}

/** Throws RowCorrupt. */
export function decodeProducerIds(row: Row): ProducerIdsRow {
  return { next: rowFields(row).whole('next') };
}
