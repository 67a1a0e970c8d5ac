/**
 * What an operator wants of one broker. A wish is kept until it is done, and a drain until it is taken back, so the
 * next keeper of the fleet continues it. Key: FLEET BROKER#<brokerId>. Value: the act, the epoch of the session it was
 * asked for (a restart is done when a later one serves), whether it is done, and how many partitions nobody else could
 * take. The row is never deleted, so its version only rises, and of two readings the higher one is the later.
 */
import type { Row, RowKey } from '../../ports.ts';
import { rowText } from '../../store-row-checksum.ts';
import { RowCorrupt, rowFields } from '../../store-row-json.ts';

const acts = ['none', 'drain', 'restart', 'replace'] as const;
export type WishedAct = (typeof acts)[number];

export interface BrokerWish {
  readonly act: WishedAct;
  readonly afterEpoch: number;
  readonly isDone: boolean;
  readonly left: number;
}

const prefix = 'BROKER#';

export const brokerWishKey = (brokerId: number): RowKey => ({ pk: 'FLEET', sk: `${prefix}${brokerId}` });

/** Undefined for the other rows under FLEET. */
export function wishedBroker({ sk }: RowKey): number | undefined {
  return sk.startsWith(prefix) ? Number(sk.slice(prefix.length)) : undefined;
}

export function encodeBrokerWish({ act, afterEpoch, isDone, left }: BrokerWish): string {
  return rowText({ act, afterEpoch, isDone, left });
}

/** Throws RowCorrupt. */
export function decodeBrokerWish(row: Row): BrokerWish {
  const fields = rowFields(row);
  const text = fields.text('act');
  const act = acts.find((known) => known === text);
  if (!act) throw new RowCorrupt(row, `act ${text} is unknown`);
  return { act, afterEpoch: fields.whole('afterEpoch'), isDone: fields.flag('isDone'), left: fields.whole('left') };
}
