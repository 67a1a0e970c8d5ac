/**
 * What a controller is called says which process it is. So others on this machine see at once that it has ended, or a moment
 * later that it stays stopped, as they see it of a broker, and take over without a wait for its lease.
 */
import { hostname } from 'node:os';
import type { KnownNames } from '../../engine/controller/shards/controller-id.ts';
import { isGone, processStateNow } from '../../infra/fleet/process-state.ts';

export function controllerName(): string {
  return `${hostname()}-${process.pid}`;
}

/** False for what is no such name. */
export function isControllerGone(name: string): boolean {
  const pid = pidIn(name);
  return pid !== undefined && isGone(pid);
}

/** What this machine says of controllers. */
export const controllersHere: KnownNames = {
  isNameGone: isControllerGone,
  isNameStopped(name) {
    const pid = pidIn(name);
    return pid !== undefined && processStateNow(pid) === 'T';
  },
};

/**
 * Whatever the host is called: containers that share their process ids each have a name. Who shares the folder and has other
 * process ids is refused at its start (data-folder-lock.ts), so one from elsewhere is dead.
 */
function pidIn(name: string): number | undefined {
  const pid = /^.+-(\d{1,10})$/.exec(name)?.[1];
  return pid === undefined ? undefined : Number(pid);
}
