/**
 * Learns slots that this controller was not started with. Other controllers of the installation may have been told of
 * more brokers, now or later; the sessions of those brokers are in the store. If this controller took such a slot for
 * one that left the fleet, it would give the slot's partitions to others while its broker still serves them. And once
 * this controller keeps the fleet, nobody would look after the broker.
 */
import type { Row } from '../../ports.ts';
import { rangeSurely } from '../../store-surely.ts';
import type { ControllerContext } from '../context.ts';
import { brokerSessionsPk, decodeBrokerSession } from '../rows/broker-session.ts';
import { unlessDamaged } from '../../store-row-json.ts';

type Parts = Pick<ControllerContext, 'brokers' | 'slotOf'>;

/** Adds every slot whose session is not closed to the table. One whose row is damaged may serve. */
export function learnSlots({ brokers, slotOf }: Parts, rows: readonly Row[]): void {
  if (!slotOf) return;
  for (const row of rows) {
    const session = unlessDamaged(row, decodeBrokerSession);
    const brokerId = session?.brokerId ?? Number(row.sk);
    if (session?.state !== 'closed' && Number.isInteger(brokerId) && !brokers.get(brokerId))
      brokers.add(slotOf(brokerId));
  }
}

/**
 * Does the same with freshly read rows, and returns them. Without other controllers nobody else starts brokers, so it
 * reads nothing.
 */
export async function learnSlotsNow(context: Parts & Pick<ControllerContext, 'persistence'>): Promise<readonly Row[]> {
  if (!context.slotOf) return [];
  const rows = await rangeSurely(context.persistence, brokerSessionsPk);
  learnSlots(context, rows);
  return rows;
}
