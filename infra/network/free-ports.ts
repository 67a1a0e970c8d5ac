/** TCP ports on 127.0.0.1 that were free a moment ago, for programs that cannot choose theirs by themselves. */
import { once } from 'node:events';
import { createServer } from 'node:net';

/** All different: each is kept until all are found. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
