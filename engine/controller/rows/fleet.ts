/**
 * What the fleet should be, so the next controller can continue. Key: FLEET WANTED. Value: how many brokers should run,
 * the number an operator set instead (0: none, the load decides), and the evacuated zones.
 */
import type { Row, RowKey } from '../../ports.ts';
import { rowText } from '../../store-row-checksum.ts';
import { rowFields } from '../../store-row-json.ts';

export interface FleetRow {
  readonly brokers: number;
  readonly override: number;
  readonly evacuated: readonly string[];
}

export const fleetKey: RowKey = { pk: 'FLEET', sk: 'WANTED' };

export function encodeFleet({ brokers, override, evacuated }: FleetRow): string {
  return rowText({ brokers, override, evacuated });
}

/** Throws RowCorrupt. */
export function decodeFleet(row: Row): FleetRow {
  const fields = rowFields(row);
  return {
    brokers: fields.whole('brokers'),
    override: fields.whole('override'),
    evacuated: fields.texts('evacuated'),
  };
}
