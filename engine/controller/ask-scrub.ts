/** Asks for the state of a broker's scrub, or tells the scrub what to do. Rejects when the broker does not answer. */
import { type ScrubAct, scrubActs, type ScrubStatus } from '../log/log.ts';
import type { BrokerRequest } from './context.ts';

export async function askScrub(request: BrokerRequest, brokerId: number, act: ScrubAct): Promise<ScrubStatus> {
  const answer = await request(brokerId, 30004, { act: scrubActs.indexOf(act) });
  return { ...answer, state: answer.state as ScrubStatus['state'] };
}
