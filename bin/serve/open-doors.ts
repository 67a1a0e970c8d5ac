/**
 * The doors of a gateway and its control plane. In an orderly start the control plane opens while brokers start, and
 * reports their progress. After a crash every client waits for a data door. The control plane's libraries take longer to
 * load than these doors do, on the same thread, so it opens after them unless they take long themselves.
 */
import { sleep } from '../../engine/kernel/clock.ts';
import type { GatewayContext } from '../../gateway/context.ts';
import type { TlsSource } from '../../gateway/tls-files.ts';
import { hostAndPort, httpHostOf } from './addresses.ts';
import type { AssembledEngine } from './assemble-engine.ts';
import type { Readiness } from './readiness.ts';
import type { ServeSettings } from './settings.ts';

export interface DoorsOptions {
  readonly settings: ServeSettings;
  readonly context: GatewayContext;
  readonly fleet: AssembledEngine['controller'];
  readonly adminKey: string;
  readonly tls: TlsSource | undefined;
  /** Resolves when the engine serves: data doors then open. */
  readonly engineServes: Promise<void>;
  /** After a crash: the data doors come first. */
  readonly clientsWait: boolean;
  readonly readiness: Readiness;
}

export interface Doors {
  readonly kafkaPort: number;
  readonly httpPort: number;
  readonly adminPort: number;
  /** The data doors; requests in flight end within `graceMs`. */
  closeData(graceMs: number): Promise<void>;
  closeAdmin(graceMs: number): Promise<void>;
}

/** The longest that the control plane waits for the data doors. */
const dataDoorsWaitMsMax = 3_000;
/** And how long it leaves this thread to the clients that connect to them. */
const firstRequestsMs = 150;

/** Rejects when a port is taken, and as `engineServes` does. */
export async function openDoors(options: DoorsOptions): Promise<Doors> {
  const { settings, context, fleet, adminKey, tls, clientsWait, readiness } = options;
  const { openDataDoors } = await import('./open-data-doors.ts');
  const opening = openDataDoors(options);
  // Port 0 is resolved when the door is open.
  let httpPort = settings.httpPort;
  opening.then(
    (data) => void (httpPort = data.httpPort),
    // Handled below, also when the control plane fails first.
    () => undefined,
  );
  if (clientsWait) {
    await Promise.race([opening, sleep(context.clock, dataDoorsWaitMsMax)]);
    await sleep(context.clock, firstRequestsMs);
  }
  const { startAdmin } = await import('../../gateway/admin/app.ts');
  const { host, adminPort: port } = settings;
  const shown = { isReady: () => readiness.isReady(), look: () => readiness.look() };
  const httpHost = httpHostOf(settings, context.settings.advertisedHost, tls !== undefined);
  const scheme = tls ? 'https' : 'http';
  const httpAddress = (): string | undefined =>
    httpPort === 0 ? undefined : `${scheme}://${hostAndPort(httpHost, httpPort)}`;
  const admin = await startAdmin({ context, fleet, adminKey, host, port, readiness: shown, tls, httpAddress });
  const data = await opening;
  return {
    kafkaPort: data.kafkaPort,
    httpPort: data.httpPort,
    adminPort: admin.port,
    closeData: (graceMs) => data.close(graceMs),
    closeAdmin: (graceMs) => admin.close(graceMs),
  };
}
