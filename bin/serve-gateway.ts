/**
 * `headgate serve --role all`: gateway and controller in this process, one child process per broker; and `--role gateway`:
 * the doors alone, over brokers that controllers in other processes keep. The order of the
 * start is the order of dependence: the store, then who reads it, then the brokers, then the doors. The end runs
 * backwards, so that nobody is still asked for what is already gone.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../engine/kernel/clock.ts';
import { systemRandom } from '../engine/kernel/random.ts';
import { startAdmin } from '../gateway/admin/app.ts';
import type { GatewayContext } from '../gateway/context.ts';
import { startHttpDoor } from '../gateway/http/door.ts';
import { startKafkaDoor } from '../gateway/kafka/listener.ts';
import { gatewayDefaults } from '../gateway/settings.ts';
import { openTenancy } from '../tenancy/open-tenancy.ts';
import { openLmdbStore } from '../tenancy/store/lmdb.ts';
import { assembleEngine } from './assemble-engine.ts';
import { lockDataFolder, openDataFolder, shareDataFolder } from './data-folder.ts';
import { type Addresses, ensureDemoTenant, readDemoEnv, writeDemoEnv } from './demo-tenant.ts';
import { endOnBug } from './end-at-once.ts';
import { logEvent, logLine } from './operator-log.ts';
import type { ServeSettings } from './settings.ts';
import { onStopSignal } from './stop-signal.ts';
import { welcome } from './welcome.ts';

/** How long the doors wait for what is under way. */
const doorGraceMs = 5_000;

const brokerProgramDefault = fileURLToPath(new URL('./broker-main.js', import.meta.url));

/** `brokerProgram`: the script that broker processes run. */
export async function serveGateway(settings: ServeSettings, brokerProgram = brokerProgramDefault): Promise<void> {
  endOnBug();
  const folder = openDataFolder(settings.data);
  const lock = await (settings.role === 'gateway' ? shareDataFolder(folder) : lockDataFolder(folder));
  const kept = readDemoEnv(folder.demoEnv);
  const adminKey = kept?.adminKey ?? `hga_${systemRandom.bytes(32).toString('base64url')}`;
  const clock = systemClock;
  const random = systemRandom;
  const store = openLmdbStore({ directory: folder.meta, clock });
  const assembled = await assembleEngine(settings, folder, store, logLine, brokerProgram);
  const { engine, controller } = assembled;
  const tenancy = await openTenancy({ store, clock, random, settings: { profile: settings.quotaProfile } });
  const tls = tlsFiles(settings);
  const context: GatewayContext = {
    engine,
    tenancy,
    clock,
    random,
    // Port 0: clients are told the port on which the door listens, whatever it was asked for.
    settings: { ...gatewayDefaults, advertisedHost: settings.advertisedHost || settings.host, advertisedPort: 0 },
    log: logEvent,
  };
  const { host } = settings;
  const secured = tls ? { tls } : {};
  let serving = false;
  const ready = (): boolean => serving && controller.ready();
  const admin = await startAdmin({ context, fleet: controller, adminKey, host, port: settings.adminPort, ready, tls });
  await controller.start();
  const kafka = await startKafkaDoor({ context, host, port: settings.kafkaPort, ...secured });
  const serverChoice = settings.httpServer as 'auto' | 'uws' | 'node';
  const http = await startHttpDoor({
    context,
    host,
    port: settings.httpPort,
    exclusive: true,
    serverChoice,
    ...secured,
  });
  if (http.fallbackReason) logEvent('http-server-fallback', { driver: http.driver, reason: http.fallbackReason });

  const access = await ensureDemoTenant(tenancy, kept, adminKey);
  const addresses: Addresses = {
    host: context.settings.advertisedHost,
    kafkaPort: kafka.port,
    httpPort: http.port,
    adminPort: admin.port,
    tls: tls !== undefined,
  };
  writeDemoEnv(folder.demoEnv, access, addresses);
  serving = true;
  process.stdout.write(welcome(access, addresses, folder.demoEnv, kept === undefined));

  onStopSignal(async () => {
    serving = false;
    await Promise.all([kafka.close(doorGraceMs), http.close(doorGraceMs)]);
    await assembled.stop();
    await tenancy.close();
    await admin.close(doorGraceMs);
    await store.close();
    lock.close();
  });
}

/** Read here, so that a wrong path is told at the start and by its flag. */
function tlsFiles(settings: ServeSettings): { certificateFile: string; keyFile: string } | undefined {
  const { tlsCertificate: certificateFile, tlsKey: keyFile } = settings;
  if (!certificateFile && !keyFile) return undefined;
  if (!certificateFile || !keyFile) throw new Error('--tls-certificate and --tls-key go together');
  for (const file of [certificateFile, keyFile]) readFileSync(file);
  return { certificateFile, keyFile };
}
