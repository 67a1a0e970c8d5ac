/**
 * What the controller that keeps the fleet reports about it, for other processes. Key: FLEET REPORT. Value: the last
 * decision about the size, the version of FLEET WANTED it is based on (`seen`), the version that has been carried out
 * as far as possible (`acted`), and, by evacuated zone, how many partitions nobody else could take.
 */
import type { Row, RowKey } from '../../ports.ts';
import { rowText } from '../../store-row-checksum.ts';
import { RowCorrupt, rowFields } from '../../store-row-json.ts';

const decisions = ['stay', 'out', 'in'] as const;

export interface ScalingShown {
  readonly brokers: number;
  readonly brokersMin: number;
  readonly brokersMax: number;
  /** Set by an operator; null while the load decides. */
  readonly override: number | null;
  readonly evacuatedZones: readonly string[];
  readonly decision: (typeof decisions)[number];
  readonly reason: string;
  readonly dimension: string;
  /** Share of the capacity in use, by dimension. */
  readonly shares: Readonly<Record<string, number>>;
  /** Wall time of the last decision to change the number of brokers; 0 when there was none. */
  readonly changedAtMs: number;
}

export interface FleetReport {
  readonly seen: number;
  readonly acted: number;
  readonly left: Readonly<Record<string, number>>;
  readonly scaling: ScalingShown;
}

export const fleetReportKey: RowKey = { pk: 'FLEET', sk: 'REPORT' };

/** Stores shares in whole percent, so a smaller wobble of the load does not change the report. */
export function encodeFleetReport({ seen, acted, left, scaling }: FleetReport): string {
  const entries = Object.entries(scaling.shares).map(([name, share]) => [name, Math.round(share * 100) / 100]);
  const override = scaling.override ?? 0;
  return rowText({ seen, acted, left, ...scaling, override, shares: Object.fromEntries(entries) });
}

/** Throws RowCorrupt. */
export function decodeFleetReport(row: Row): FleetReport {
  const fields = rowFields(row);
  const text = fields.text('decision');
  const decision = decisions.find((known) => known === text);
  if (!decision) throw new RowCorrupt(row, `decision ${text} is unknown`);
  const override = fields.whole('override');
  return {
    seen: fields.whole('seen'),
    acted: fields.whole('acted'),
    left: fields.numberMap('left'),
    scaling: {
      brokers: fields.whole('brokers'),
      brokersMin: fields.whole('brokersMin'),
      brokersMax: fields.whole('brokersMax'),
      override: override === 0 ? null : override,
      evacuatedZones: fields.texts('evacuatedZones'),
      decision,
      reason: fields.text('reason'),
      dimension: fields.text('dimension'),
      shares: fields.numberMap('shares'),
      changedAtMs: fields.whole('changedAtMs'),
    },
  };
}
