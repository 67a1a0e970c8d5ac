/**
 * Slots that this controller was not started with. Others on the same installation may have been told of more brokers, or will
 * be: their sessions stand in the store. Taken for slots that the fleet has no more, what they own would be given to others
 * while they serve it, and when this controller comes to keep the fleet nobody would look after them.
 */
import type { Row } from '../../ports.ts';
import { rangeSurely } from '../../store-surely.ts';
import type { ControllerContext } from '../context.ts';
import { brokerSessionsPk, decodeBrokerSession } from '../rows/broker-session.ts';

type Parts = Pick<ControllerContext, 'brokers' | 'slotOf'>;

/** Each with a session that is not closed gets its place in the table. */
export function learnSlots({ brokers, slotOf }: Parts, rows: readonly Row[]): void {
  if (!slotOf) return;
  for (const row of rows) {
    const { brokerId, state } = decodeBrokerSession(row);
    if (state !== 'closed' && !brokers.get(brokerId)) brokers.add(slotOf(brokerId));
  }
}

/** The same, as the rows are now; they are returned. Without others nobody else starts brokers, and none are read. */
export async function learnSlotsNow(context: Parts & Pick<ControllerContext, 'persistence'>): Promise<readonly Row[]> {
  if (!context.slotOf) return [];
  const rows = await rangeSurely(context.persistence, brokerSessionsPk);
  learnSlots(context, rows);
  return rows;
}
