/**
 * The slots that have a session now, in order of their ids. Their brokers share the upkeep of the files of the others: those
 * of a fleet that has shrunk stay, and are read, for as long as their records are kept.
 */
import { readableSessions, brokerSessionsPk } from '../controller/rows/broker-session.ts';
import { type Persistence, rangeSurely } from '../store-surely.ts';

export async function servedSlots(persistence: Persistence): Promise<readonly number[]> {
  const sessions = readableSessions(await rangeSurely(persistence, brokerSessionsPk));
  const served = sessions.filter(({ state }) => state !== 'closed').map(({ brokerId }) => brokerId);
  return served.sort((a, b) => a - b);
}
