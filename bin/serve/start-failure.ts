/** Why `headgate serve` does not start, in words that name the flag where the system's own do not; and the exit code. */
import { dirname } from 'node:path';
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import { exitCodes } from '../command-failure.ts';

export function startFailureText(error: unknown): string {
  const failure = error as NodeJS.ErrnoException & { address?: string; port?: number; hostname?: string };
  const { code, address, port, hostname, message } = failure;
  const ports = 'see --kafka-port, --kafka-broker-port, --http-port and --admin-port';
  // A socket in the data folder.
  if (address !== undefined && port === -1)
    return `${dirname(address)} takes no socket (${code}): can this user write to the data folder?`;
  if (port !== undefined && code === 'EADDRINUSE') return `port ${port} of ${address} is in use: ${ports}`;
  if (port !== undefined && code === 'EACCES') return `port ${port} of ${address} is for root only: ${ports}`;
  if (code === 'EADDRNOTAVAIL') return `${address} is not an address of this machine: see --host`;
  if (hostname !== undefined) return `${hostname} has no address here (${code}): see --host`;
  return error instanceof Error ? message : String(error);
}

/** A service manager can then tell a wrong setting, which stays wrong, from what may pass. */
export function startFailureExit(error: unknown): number {
  return error instanceof InvalidRequest ? exitCodes.usage.code : exitCodes.failed.code;
}
