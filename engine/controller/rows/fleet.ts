/**
 * What the fleet should be, so that the next controller goes on with it. Key: FLEET WANTED. Value: how many brokers should
 * run, what an operator set instead (0: nothing, the load decides), and the zones that are evacuated.
 */
import type { Row, RowKey } from '../../ports.ts';
import { rowFields } from './row-json.ts';

export interface FleetRow {
  readonly brokers: number;
  readonly override: number;
  readonly evacuated: readonly string[];
}

export const fleetKey: RowKey = { pk: 'FLEET', sk: 'WANTED' };

export function encodeFleet({ brokers, override, evacuated }: FleetRow): string {
  return JSON.stringify({ brokers, override, evacuated });
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
