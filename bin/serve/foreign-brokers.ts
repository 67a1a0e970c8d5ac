/**
 * Detects brokers that outlive their controllers in another container. A process there that shares the folder is detected
 * by its lock (data-folder-lock.ts); when there is none any more, only the brokers are left. Their process ids do not exist
 * here, or belong to other processes. A controller would take the brokers for dead, fence them without waiting for their
 * leases, and recover logs in which they still acknowledge records. Such a broker has a session and no process here, and
 * still answers at its socket.
 */
import { connect } from 'node:net';
import { brokerSessionsPk, readableSessions } from '../../engine/controller/rows/broker-session.ts';
import { sleep } from '../../engine/kernel/clock.ts';
import { type Persistence, rangeSurely } from '../../engine/store-surely.ts';
import { isGone } from '../../infra/fleet/process-state.ts';

/** The kernel closes a process's sockets before it frees the id; a check may fall between two sessions of a slot. */
const looksMax = 5;
const lookPauseMs = 100;
const answerWaitMsMax = 1000;

/**
 * Throws when there is one, before anything is done to its session.
 *
 * @param addressOf Where a broker's socket is, in this process's view of the folder.
 */
export async function refuseForeignBrokers(
  persistence: Persistence,
  addressOf: (brokerId: number) => string,
): Promise<void> {
  for (let look = 1; ; look++) {
    const sessions = readableSessions(await rangeSurely(persistence, brokerSessionsPk));
    const nowhere = sessions.filter(({ state, pid }) => state !== 'closed' && isGone(pid));
    const answering = await Promise.all(nowhere.map(({ brokerId }) => answers(addressOf(brokerId))));
    const foreign = nowhere.find((_, at) => answering[at]);
    if (!foreign) return;
    if (look === looksMax) {
      throw new Error(
        `broker ${foreign.brokerId} of this data folder already serves at ${addressOf(foreign.brokerId)}, but its process ` +
          `${foreign.pid} is not visible from here: it runs in another container. Stop it there, or let the containers share ` +
          'one process id (PID) namespace',
      );
    }
    await sleep(persistence.clock, lookPauseMs);
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(path);
    const end = (isThere: boolean): void => {
      socket.destroy();
      done(isThere);
    };
    socket.once('connect', () => end(true));
    // A stopped one lets connections wait, until its queue is full.
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code === 'EAGAIN'));
    // One that does not accept connections does not answer clients either.
    socket.setTimeout(answerWaitMsMax, () => end(false));
  });
}
