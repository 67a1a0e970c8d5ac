/**
 * The doors of a gateway and its control plane. Apart from serve-gateway.ts, which loads this file when the brokers are on
 * their way: with their libraries the doors are most of the program, and nobody can come in before a broker serves.
 */
import type { AssembledEngine } from './assemble-engine.ts';
import { startAdmin } from '../gateway/admin/app.ts';
import type { GatewayContext } from '../gateway/context.ts';
import { startHttpDoor } from '../gateway/http/door.ts';
import { startKafkaDoor } from '../gateway/kafka/listener.ts';
import { logEvent } from './operator-log.ts';
import type { ServeSettings } from './settings.ts';

export interface DoorsOptions {
  readonly settings: ServeSettings;
  readonly context: GatewayContext;
  readonly fleet: AssembledEngine['controller'];
  readonly adminKey: string;
  readonly tls: { certificateFile: string; keyFile: string } | undefined;
  /** Resolves when the engine serves: data doors open then, the control plane tells the way there. */
  readonly engineServes: Promise<void>;
  readonly ready: () => boolean;
}

export interface Doors {
  readonly kafkaPort: number;
  readonly httpPort: number;
  readonly adminPort: number;
  /** Those for data; what is under way ends within `graceMs`. */
  closeData(graceMs: number): Promise<void>;
  closeAdmin(graceMs: number): Promise<void>;
}

/** Rejects when a port is taken, and as `engineServes` does. */
export async function openDoors(options: DoorsOptions): Promise<Doors> {
  const { settings, context, fleet, adminKey, tls, engineServes, ready } = options;
  const { host } = settings;
  const secured = tls ? { tls } : {};
  const admin = await startAdmin({ context, fleet, adminKey, host, port: settings.adminPort, ready, tls });
  await engineServes;
  const kafka = await startKafkaDoor({ context, host, port: settings.kafkaPort, ...secured });
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
    adminPort: admin.port,
    async closeData(graceMs) {
      await Promise.all([kafka.close(graceMs), http.close(graceMs)]);
    },
    closeAdmin: (graceMs) => admin.close(graceMs),
  };
}
