/**
 * A controller's name identifies its process. So other processes on this machine see at once that it has ended, or a moment
 * later that it stays stopped, as they see it of a broker. They take over without waiting for its lease.
 */
import { hostname } from 'node:os';
import type { KnownNames } from '../../engine/controller/shards/controller-id.ts';
import { isGone, processStateNow } from '../../infra/fleet/process-state.ts';

export function controllerName(): string {
  return `${hostname()}-${process.pid}`;
}

/** False for a name of another form. */
export function isControllerGone(name: string): boolean {
  const pid = pidIn(name);
  return pid !== undefined && isGone(pid);
}

/** What this machine knows about controllers. */
export const controllersHere: KnownNames = {
  isNameGone: isControllerGone,
  isNameStopped(name) {
    const pid = pidIn(name);
    return pid !== undefined && processStateNow(pid) === 'T';
  },
};

/**
 * Ignores the host's name: containers that share their process ids each have their own. A process that shares the folder
 * but has other process ids is refused at its start (data-folder-lock.ts), so one from elsewhere is dead.
 */
function pidIn(name: string): number | undefined {
  const pid = /^.+-(\d{1,10})$/.exec(name)?.[1];
  return pid === undefined ? undefined : Number(pid);
}
