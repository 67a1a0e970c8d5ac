/**
 * What a controller is called says which process it is. So others on this machine see at once that it has ended, as they see
 * the end of a broker, and take over without a wait for its lease.
 */
import { hostname } from 'node:os';
import { isGone } from '../../infra/fleet/process-state.ts';

export function controllerName(): string {
  return `${hostname()}-${process.pid}`;
}

/** False for one on another machine, and for what is no such name. */
export function isControllerGone(name: string): boolean {
  const pid = name.startsWith(`${hostname()}-`) ? name.slice(hostname().length + 1) : '';
  return /^\d{1,10}$/.test(pid) && isGone(Number(pid));
}
