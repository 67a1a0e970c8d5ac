/**
 * TCP ports on 127.0.0.1 that were free a moment ago, for programs that cannot choose theirs themselves. They lie below the
 * ports that systems use for outgoing connections (32768 on, RFC 6335 has 49152), because an outgoing connection could take
 * a port in between.
 */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

const lowestPort = 15_000;
const highestPort = 32_000;
const triesMax = 100;

/**
 * All different: each is held until all are found. Throws after so many taken ports in a row that something must be wrong.
 */
export async function freePorts(count: number): Promise<number[]> {
  const servers: Server[] = [];
  const ports: number[] = [];
  for (let tries = 0; ports.length < count; tries++) {
    if (tries === triesMax) throw new Error(`no free port in ${triesMax} tries`);
    const port = randomInt(lowestPort, highestPort);
    const server = createServer().listen(port, '127.0.0.1');
    if (!(await listens(server))) continue;
    servers.push(server);
    ports.push(port);
  }
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function listens(server: Server): Promise<boolean> {
  try {
    await once(server, 'listening');
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    return false;
  }
}
