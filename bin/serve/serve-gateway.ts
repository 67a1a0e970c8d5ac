/**
 * `headgate serve --role all`: gateway and controller in this process, one child process per broker; and `--role gateway`:
 * only the doors, over brokers that controllers in other processes keep. The start follows the order that lets clients
 * write again soonest: the store, its readers, the remains of an earlier run, then the data doors, whose code loads while
 * brokers open their sessions. The control plane with its libraries comes last after a crash. The shutdown stops dependents
 * before their dependencies.
 */
import { networkInterfaces } from 'node:os';
import { sleep, systemClock } from '../../engine/kernel/clock.ts';
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import { systemRandom } from '../../engine/kernel/random.ts';
import type { Engine } from '../../engine/engine.ts';
import { logSettingsDefault } from '../../engine/log/settings.ts';
import type { Fleet } from '../../engine/ports.ts';
import { ConnectionRoom } from '../../gateway/connection-room.ts';
import { Traffic } from '../../gateway/traffic.ts';
import type { GatewayContext } from '../../gateway/context.ts';
import { FairTurns } from '../../gateway/fair-turns.ts';
import { gatewayDefaults } from '../../gateway/settings.ts';
import { fromWholePair, TlsFiles } from '../../gateway/tls-files.ts';
import { openTenancy } from '../../tenancy/open-tenancy.ts';
import type { Tenancy } from '../../tenancy/tenancy.ts';
import { endLeftovers } from '../../infra/fleet/leftovers.ts';
import { assembleEngine } from './assemble-engine.ts';
import { brokerHome } from './broker-slots.ts';
import { checkPorts } from './check-ports.ts';
import { checkFormat, checkMetadata, type DataFolder } from '../data-folder.ts';
import { lockDataFolder, shareDataFolder } from '../data-folder-lock.ts';
import { type Addresses, advertisedHostOf, checkHosts, httpHostOf } from './addresses.ts';
import { type DemoSecrets, demoSecrets, writeDemoEnv } from './demo-env.ts';
import { ensureDemoTenant } from './demo-tenant.ts';
import { endOnBug } from '../broker/end-at-once.ts';
import { type Doors, openDoors } from './open-doors.ts';
import { openMetadata } from './open-metadata.ts';
import { logEvent, logLine } from './operator-log.ts';
import type { ServeSettings } from './settings.ts';
import { openFilesMax } from './open-files.ts';
import { Readiness } from './readiness.ts';
import { onStopSignal } from './stop-signal.ts';
import { welcome } from './welcome.ts';

/** How long the doors wait for requests in flight. */
const doorGraceMs = 5_000;

/** The remains of an earlier run may take long to settle (a segment store that is away): the doors load anyway. */
const settleWaitMsMax = 2_000;

/** `processes`: the brokers, when they are child processes of this one. */
export async function serveGateway(
  settings: ServeSettings,
  folder: DataFolder,
  processes: Fleet | undefined,
): Promise<void> {
  endOnBug();
  checkHosts(settings);
  const certificate = tlsFiles(settings);
  // The failure is reported where it is awaited.
  certificate.catch(() => undefined);
  const lock = await (settings.role === 'gateway' ? shareDataFolder(folder) : lockDataFolder(folder));
  // After the lock: who starts a second one on this folder should hear of the folder.
  await checkPorts(settings);
  checkFormat(folder);
  checkMetadata(folder);
  const leftovers = settings.role === 'gateway' ? [] : await endLeftovers(brokerHome(folder), systemClock);
  for (const pid of leftovers) logLine(`killed process ${pid}: a broker whose parent is dead`);
  // After the metadata, whose error names a full disk.
  const { store, lockWatch } = await openMetadata(settings, folder);
  const secrets = demoSecrets(folder.demoEnv, systemRandom);
  const { adminKey } = secrets;
  const [clock, random] = [systemClock, systemRandom];
  const tenancy = await openTenancy({ store, clock, random, settings: { profile: settings.quotaProfile } });
  const { counts } = tenancy;
  const assembled = await assembleEngine({ settings, folder, store, log: logLine, processes, counts });
  const { engine, controller, segmentsTrouble } = assembled;
  const tls = await certificate;
  const context = gatewayContext(settings, engine, tenancy);
  const { freeBytesFloor } = logSettingsDefault;
  const readiness = new Readiness({
    clock,
    folder,
    segmentsTrouble,
    freeBytesFloor,
    store,
    lockWatch,
    fleet: controller,
  });
  const engineServes = controller.start();
  // The failure is reported where it is awaited; until then it must not be an unhandled rejection.
  const ended = engineServes.catch(() => undefined);
  const isAfterCrash = await Promise.race([assembled.settled, ended, sleep(clock, settleWaitMsMax)]);
  const clientsWait = isAfterCrash === true;
  const opening = openDoors({
    settings,
    context,
    fleet: controller,
    adminKey,
    tls,
    engineServes,
    clientsWait,
    readiness,
  });
  const doors = await opening.catch(async (failure: unknown) => {
    // Usually a taken port. The brokers are already starting: stop them cleanly.
    await assembled.stop();
    throw failure;
  });

  const redraw = (revoked: string): DemoSecrets => demoSecrets(folder.demoEnv, random, revoked);
  const access = await ensureDemoTenant({ tenancy, clock, redraw }, secrets);
  const addresses = addressesOf(settings, context, doors);
  writeDemoEnv(folder.demoEnv, access, addresses, logLine);
  readiness.serve(true);
  process.stdout.write(welcome(access, addresses, folder.demoEnv, access.clusterId !== secrets.clusterId));

  onStopSignal(async () => {
    readiness.serve(false);
    await doors.closeData(doorGraceMs);
    await assembled.stop();
    await tenancy.close();
    await doors.closeAdmin(doorGraceMs);
    await store.close();
    lock.close();
  });
}

function addressesOf(settings: ServeSettings, context: GatewayContext, doors: Doors): Addresses {
  const tls = settings.tlsCertificate !== '';
  return {
    kafkaHost: context.settings.advertisedHost,
    httpHost: httpHostOf(settings, context.settings.advertisedHost, tls),
    kafkaPort: doors.kafkaPort,
    httpPort: doors.httpPort,
    adminPort: doors.adminPort,
    tls,
  };
}

function gatewayContext(settings: ServeSettings, engine: Engine, tenancy: Tenancy): GatewayContext {
  return {
    engine,
    tenancy,
    clock: systemClock,
    random: systemRandom,
    turns: new FairTurns(systemClock, gatewayDefaults.clusterTurnMsMax),
    // Port 0: clients are told the port on which the door actually listens.
    settings: {
      ...gatewayDefaults,
      requestBytesHeldMax: settings.requestBytesHeldMax,
      advertisedHost: advertisedHostOf(settings, networkInterfaces()),
      advertisedPort: 0,
    },
    connections: new ConnectionRoom(openFilesMax(), (door) => logEvent('connections-full', { door })),
    traffic: new Traffic(),
    log: logEvent,
  };
}

/**
 * Read here, so that a wrong path is reported at the start. SIGHUP then triggers a check of the files instead of ending the
 * process.
 */
async function tlsFiles(settings: ServeSettings): Promise<TlsFiles | undefined> {
  const { tlsCertificate: certificateFile, tlsKey: keyFile } = settings;
  if (!certificateFile && !keyFile) return undefined;
  if (!certificateFile || !keyFile)
    throw new InvalidRequest('tlsKey', 'give both --tls-certificate and --tls-key, or neither');
  const files = await openPair(certificateFile, keyFile);
  files.watch();
  process.on('SIGHUP', () => files.look('asked'));
  return files;
}

/** Throws InvalidRequest. OpenSSL's own words alone name neither the file nor the flag. */
async function openPair(certificateFile: string, keyFile: string): Promise<TlsFiles> {
  try {
    const options = { certificateFile, keyFile, clock: systemClock, log: logEvent };
    return await fromWholePair(systemClock, () => new TlsFiles(options));
  } catch (error) {
    const pair = `--tls-certificate ${certificateFile} and --tls-key ${keyFile}`;
    const reason = error instanceof Error ? error.message : String(error);
    throw new InvalidRequest('tlsKey', `${pair} are not a certificate and its key as PEM (${reason})`);
  }
}
