/**
 * Whether the doors will be able to listen, asked at the very start. They open only when the engine serves, which after a
 * crash may take long: a port in use or a host that does not exist would be reported by then, and the brokers would have
 * started for nothing.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import type { ServeSettings } from './settings.ts';

type PortSettings = Pick<ServeSettings, 'host' | 'kafkaPort' | 'kafkaBrokerPort' | 'httpPort' | 'adminPort'>;

/** The ports that are not the system's choice, with the flag of each. Throws InvalidRequest when two are the same. */
export function portsOf(settings: PortSettings): Map<number, string> {
  const { kafkaPort, kafkaBrokerPort: first, httpPort, adminPort } = settings;
  const given: [flag: string, port: number][] = [
    ['--kafka-port', kafkaPort],
    ...[0, 1, 2].map((i): [string, number] => ['--kafka-broker-port', first === 0 ? 0 : first + i]),
    ['--http-port', httpPort],
    ['--admin-port', adminPort],
  ];
  const flags = new Map<number, string>();
  for (const [flag, port] of given) {
    if (port === 0) continue;
    const other = flags.get(port);
    if (other !== undefined) {
      const why = first > 0 ? ` (--kafka-broker-port takes three: ${first} to ${first + 2})` : '';
      throw new InvalidRequest(flag, `${flag} ${port}: ${other} has this port too${why}`);
    }
    flags.set(port, flag);
  }
  return flags;
}

/** Throws InvalidRequest, and the system's error for a port or a host that cannot be listened on. */
export async function checkPorts(settings: PortSettings): Promise<void> {
  const ports = [...portsOf(settings).keys()];
  // With the system's choice of ports the host is still to be checked.
  for (const port of ports.length > 0 ? ports : [0]) {
    const probe = createServer((socket) => socket.destroy());
    await once(probe.listen({ host: settings.host, port, exclusive: true }), 'listening');
    await new Promise((resolve) => probe.close(resolve));
  }
}
