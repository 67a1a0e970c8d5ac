/**
 * Brokers of `--role controller` outlive their controllers and keep serving as long as nobody takes charge of them. A
 * process with all roles puts other brokers into their slots, so it first asks them to stop cleanly. It already holds the
 * lock of the data folder, so no controller restarts them. Stopped (SIGSTOP) ones are killed earlier: opening the store may
 * wait for one of them (infra/fleet/end-stopped.ts).
 */
import { brokerSessionsPk, readableSessions } from '../../engine/controller/rows/broker-session.ts';
import { systemClock } from '../../engine/kernel/clock.ts';
import { type Persistence, rangeSurely } from '../../engine/store-surely.ts';
import { detachedFleet } from '../../infra/fleet/detached.ts';
import { endStopped, killAll } from '../../infra/fleet/end-stopped.ts';
import { notedBrokers } from '../../infra/fleet/noted-brokers.ts';
import { compiledPrograms } from '../compiled-programs.ts';
import type { DataFolder } from '../data-folder.ts';
import { stoppedSharers } from '../data-folder-lock.ts';
import { brokerHome } from './broker-slots.ts';
import { logLine } from './operator-log.ts';

const program = compiledPrograms.detachedBroker;
/** Time for their last roll-up; the rest is recovered. */
const graceMs = 10_000;

/**
 * Before the store is opened. Other controllers and gateways are their operators' to end, so stopped ones are only named.
 */
export async function endStoppedBrokers(folder: DataFolder): Promise<void> {
  for (const pid of await endStopped(brokerHome(folder), program, systemClock)) {
    logLine(`killed process ${pid}: a suspended broker without a controller`);
  }
  for (const pid of stoppedSharers(folder))
    logLine(`process ${pid}, another headgate on this folder, is suspended: resume or end it`);
}

/** Resolves when they are gone. */
export async function endDetached(persistence: Persistence, folder: DataFolder): Promise<void> {
  const { clock } = persistence;
  const home = brokerHome(folder);
  const fleet = detachedFleet({ clock, home, program, arguments: [], logFile: () => '/dev/null' });
  const rows = await rangeSurely(persistence, brokerSessionsPk);
  const sessions = readableSessions(rows).filter(({ state }) => state !== 'closed');
  // They have no session yet, and would open one between ours.
  const strays = notedBrokers(home, program).filter((pid) => !sessions.some((session) => session.pid === pid));
  await killAll(strays, clock);
  const ended = sessions.map(async (session) => {
    if (!(await fleet.adopt!(session, session.pid))) return;
    await fleet.stop(session.brokerId, graceMs);
    logLine(`ended process ${session.pid}: a broker that outlived its controller`);
  });
  await Promise.all(ended);
}
