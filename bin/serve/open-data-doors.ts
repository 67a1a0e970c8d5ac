/**
 * The doors for data. Separate from serve-gateway.ts, which loads this file once the brokers are starting: with their
 * libraries the doors are most of the program, and no client can be served before a broker serves.
 */
import { startHttpDoor } from '../../gateway/http/door.ts';
import { startKafkaDoor } from '../../gateway/kafka/listener.ts';
import type { DoorsOptions } from './open-doors.ts';
import { logEvent } from './operator-log.ts';

export interface DataDoors {
  readonly kafkaPort: number;
  readonly httpPort: number;
  /** Requests in flight end within `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** Opens them when the engine serves. Rejects when a port is taken, and as `engineServes` does. */
export async function openDataDoors(options: DoorsOptions): Promise<DataDoors> {
  const { settings, context, tls, engineServes } = options;
  const { host } = settings;
  const secured = tls ? { tls } : {};
  await engineServes;
  const { kafkaPort, kafkaBrokerPort: first } = settings;
  const brokerPorts = first === 0 ? [] : [first, first + 1, first + 2];
  const kafka = await startKafkaDoor({ context, host, port: kafkaPort, brokerPorts, ...secured });
  const http = await startHttpDoor({
    context,
    host,
    port: settings.httpPort,
    exclusive: true,
    serverChoice: settings.httpServer as 'auto' | 'uws' | 'node',
    ...secured,
  });
  if (http.fallbackReason) logEvent('http-server-fallback', { driver: http.driver, reason: http.fallbackReason });
  return {
    kafkaPort: kafka.port,
    httpPort: http.port,
    async close(graceMs) {
      await Promise.all([kafka.close(graceMs), http.close(graceMs)]);
    },
  };
}
