/**
 * Brokers of `--role controller` outlive their controllers, and serve on for as long as nobody takes charge of them. A process
 * that is to be everything keeps other brokers in their slots, so it asks them to end in order first. It holds the lock of the
 * data folder by now: no controller starts them again.
 */
import { brokerSessionsPk, decodeBrokerSession } from '../../engine/controller/rows/broker-session.ts';
import { type Persistence, rangeSurely } from '../../engine/store-surely.ts';
import { detachedFleet } from '../../infra/fleet/detached.ts';
import { processStateNow } from '../../infra/fleet/process-state.ts';

/** For their last roll-up; what is not rolled up then is recovered. */
const graceMs = 10_000;

/** Resolves with the processes that were ended, when they are gone. */
export async function endDetached(persistence: Persistence, program: string): Promise<number[]> {
  const fleet = detachedFleet({ clock: persistence.clock, program, arguments: [], logFile: () => '/dev/null' });
  const sessions = (await rangeSurely(persistence, brokerSessionsPk)).map(decodeBrokerSession);
  const ended = sessions.map(async (session) => {
    if (session.state === 'closed' || !(await fleet.adopt!(session, session.pid))) return [];
    // One that is stopped (SIGSTOP) hears nothing: its log is recovered.
    await (processStateNow(session.pid) === 'T' ? fleet.kill(session.brokerId) : fleet.stop(session.brokerId, graceMs));
    return [session.pid];
  });
  return (await Promise.all(ended)).flat();
}
