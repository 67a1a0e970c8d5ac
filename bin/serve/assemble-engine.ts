/**
 * The engine of one machine: catalogue and routing for the data, a controller for placement, and brokers, either as child
 * processes behind Unix sockets or in this process behind direct calls. Everything may be in one process, or gateways and
 * controllers each in their own process over the same store; brokers are then processes that outlive them.
 */
import { join } from 'node:path';
import { StoreCatalogue } from '../../engine/catalogue.ts';
import type { KnownOfDead, Recovered } from '../../engine/controller/context.ts';
import { type Controller, createController } from '../../engine/controller/controller.ts';
import { createVisitor } from '../../engine/controller/visitor.ts';
import { placedTopics } from '../../engine/controller/topics/placed-topics.ts';
import { type ControllerSettings, scaleDefaults } from '../../engine/controller/settings.ts';
import { installationId } from '../../engine/controller/rows/installation.ts';
import { type BrokerSession, brokerSessionKey } from '../../engine/controller/rows/broker-session.ts';
import type { Engine } from '../../engine/engine.ts';
import { systemClock } from '../../engine/kernel/clock.ts';
import { framePool, framePoolDefaults } from '../../engine/kernel/frame-pool.ts';
import { systemRandom } from '../../engine/kernel/random.ts';
import { checkSegments } from '../../engine/log/segments/check-segments.ts';
import { beginRecovery, type RecoveryAhead } from '../../engine/log/dead-log.ts';
import { publishWal } from '../../engine/log/recover.ts';
import { logSettingsDefault } from '../../engine/log/settings.ts';
import { memoryNetwork } from '../../engine/link/memory-network.ts';
import type { BrokerSlot, Fleet, Network, SegmentStore } from '../../engine/ports.ts';
import { NearSegments } from '../../engine/routing/near-segments.ts';
import { createRouting } from '../../engine/routing/routes.ts';
import { ensureCoordinatorTopic, wholeEngine } from '../../engine/routing/whole-engine.ts';
import type { Persistence } from '../../engine/store-surely.ts';
import { systemDisk } from '../../infra/disk/system-disk.ts';
import { brokerRequests } from '../../infra/fleet/broker-requests.ts';
import { detachedFleet } from '../../infra/fleet/detached.ts';
import { isGone } from '../../infra/fleet/process-state.ts';
import type { LmdbStore } from '../../tenancy/store/lmdb.ts';
import type { CountGuard } from '../../tenancy/tenancy.ts';
import { checkVolume, volumeOwner } from '../../infra/disk/volume-owner.ts';
import { CommitMark } from '../../infra/disk/commit-mark.ts';
import { socketNetwork } from '../../infra/network/socket-network.ts';
import { type OpenedSegments, openSegments } from '../../infra/segments/open-segments.ts';
import { brokerFlags, brokerHome, brokerSlot, brokerSlotsLeft, slotsMax } from './broker-slots.ts';
import { compiledPrograms } from '../compiled-programs.ts';
import type { DataFolder } from '../data-folder.ts';
import { endAtOnce } from '../broker/end-at-once.ts';
import { controllerName, controllersHere } from './controller-name.ts';
import { endDetached } from './end-detached.ts';
import { inProcessFleet } from './in-process-fleet.ts';
import { leaseSettings } from './lease-settings.ts';
import { pauseOptimizerInFailovers } from './optimizer-pause.ts';
import { runBroker, scrubBytesPerSecond } from '../broker/run-broker.ts';
import type { ServeSettings } from './settings.ts';

/** The decision maker: the controller in this process, or its stand-in. */
type Control = Omit<Controller, 'controllerId' | 'settled'>;

interface Controlled {
  readonly control: Control;
  readonly settled: Promise<boolean>;
  stop(): Promise<void>;
}

export interface AssembledEngine {
  readonly engine: Engine;
  readonly controller: Control;
  /** See Controller.settled. */
  readonly settled: Promise<boolean>;
  /** Of a bucket; undefined for segments in the data folder. */
  readonly segmentsTrouble: OpenedSegments['trouble'] | undefined;
  /** Stops the brokers gracefully when this process owns them, then stops the readers of the store. */
  stop(): Promise<void>;
}

/** Partitions of a cluster's coordinator topic: the maximum number of brokers that can share its groups. */
const coordinatorPartitions = 8;

export interface AssembleParts {
  readonly settings: ServeSettings;
  readonly folder: DataFolder;
  readonly store: LmdbStore;
  readonly log: (line: string) => void;
  /** The brokers, when they are child processes. */
  readonly processes: Fleet | undefined;
  readonly counts: Pick<CountGuard, 'reserveInternal'>;
}

/** For `--role all`, or for `--role gateway`, which has no controller and follows others' fleet. */
export async function assembleEngine(parts: AssembleParts): Promise<AssembledEngine> {
  const { settings, folder, store, log, processes } = parts;
  const clock = systemClock;
  const random = systemRandom;
  const isGateway = settings.role === 'gateway';
  const isInProcess = !isGateway && !processes;
  if (!isGateway) await endDetached({ store, clock, random }, folder);
  const network = isInProcess ? memoryNetwork(clock) : socketNetwork(clock);
  const { segments, trouble: segmentsTrouble } = await segmentsOf(settings, folder, log);
  const fleet = processes ?? brokersHere({ settings, segments, store, network, log });
  const catalogue = new StoreCatalogue(store, clock);
  pauseOptimizerInFailovers(catalogue, clock);
  await catalogue.start();
  const controlled = isGateway
    ? visiting(settings, folder, store, catalogue, network)
    : await controlling({ settings, folder, segments, store, log, fleet, network });
  const { control } = controlled;
  const coordinatorTopics = {
    createTopic: (...asked: Parameters<Engine['createTopic']>) => control.createTopic(...asked),
    catalogue,
    partitions: coordinatorPartitions,
    guard: (clusterId: string) => parts.counts.reserveInternal(clusterId, 1),
  };
  const routing = createRouting({
    catalogue,
    network,
    clock,
    random,
    // A bucket's segments are as far from here as from a broker, and a broker has just read the latest ones.
    ...(settings.segments === '' ? { near: new NearSegments({ segments, clock }) } : {}),
    ensureCoordinatorTopic: (clusterId) => ensureCoordinatorTopic(coordinatorTopics, clusterId),
  });
  return {
    engine: wholeEngine(catalogue, routing, control),
    controller: control,
    settled: controlled.settled,
    segmentsTrouble,
    async stop() {
      routing.close();
      await controlled.stop();
      await fleet.close?.();
      catalogue.close();
    },
  };
}

/** For `--role controller`. */
export async function assembleController(
  settings: ServeSettings,
  folder: DataFolder,
  store: LmdbStore,
  log: (line: string) => void,
): Promise<{ readonly controller: Controller; stop(): Promise<void> }> {
  const others = new StoreCatalogue(store, systemClock);
  pauseOptimizerInFailovers(others, systemClock);
  await others.start();
  const fleet = detachedFleet({
    clock: systemClock,
    home: brokerHome(folder),
    program: compiledPrograms.detachedBroker,
    arguments: brokerFlags(settings, folder),
    logFile: ({ brokerId }) => join(folder.logs, `broker-${brokerId}.log`),
  });
  const network = socketNetwork(systemClock);
  const { segments } = await segmentsOf(settings, folder, log);
  const controlled = await controlling({ settings, folder, segments, store, log, fleet, network, others });
  return {
    controller: controlled.control,
    async stop() {
      await controlled.stop();
      others.close();
    },
  };
}

function visiting(
  settings: ServeSettings,
  folder: DataFolder,
  store: LmdbStore,
  catalogue: StoreCatalogue,
  network: Network,
): Controlled {
  const [clock, random] = [systemClock, systemRandom];
  const requests = brokerRequests({ network, clock, random }, (brokerId) => brokerSlot(settings, folder, brokerId));
  const { brokers } = settings;
  const control = createVisitor({
    store,
    clock,
    random,
    catalogue,
    brokers,
    brokerRequest: requests.send,
    ...controllersHere,
  });
  const stop = async (): Promise<void> => {
    await control.stop();
    requests.close();
  };
  // If brokers already serve, this is not a first start: clients of the previous gateway are waiting.
  const isAgain = [...catalogue.brokers()].some(({ state }) => state === 'serving');
  return { control, settled: Promise.resolve(isAgain), stop };
}

function segmentsOf(settings: ServeSettings, folder: DataFolder, log: (line: string) => void): Promise<OpenedSegments> {
  return openSegments(settings, { disk: systemDisk, directory: folder.segments }, systemClock, log);
}

interface Controlling {
  readonly settings: ServeSettings;
  readonly folder: DataFolder;
  readonly segments: SegmentStore;
  readonly store: LmdbStore;
  readonly log: (line: string) => void;
  readonly fleet: Fleet;
  readonly network: Network;
  /** Set when other processes share the installation. */
  readonly others?: StoreCatalogue;
}

async function controlling(parts: Controlling): Promise<Controlled & { control: Controller }> {
  const { settings, folder, segments, store, log, fleet, network, others } = parts;
  const [clock, random] = [systemClock, systemRandom];
  await checkSegments({ store, clock, random }, segments);
  const slots = await brokerSlotsLeft(settings, folder, { store, clock, random });
  const slotOf = (brokerId: number): BrokerSlot => brokerSlot(settings, folder, brokerId);
  const requests = brokerRequests({ network, clock, random }, slotOf);
  const control = createController({
    store,
    clock,
    random,
    slots,
    isGone,
    log,
    fleet,
    brokerRequest: requests.send,
    settings: controllerSettings(settings),
    name: controllerName(),
    ...controllersHere,
    ...(others ? { others, slotOf } : {}),
    beginRecovery: (session) => beginRecoveryOf(parts, session),
    recover: (session, version, known) => recover(parts, session, version, known),
  });
  const stop = async (): Promise<void> => {
    await control.stop();
    requests.close();
  };
  return { control, settled: control.settled, stop };
}

function brokersHere({
  settings,
  segments,
  store,
  network,
  log,
}: Pick<Controlling, 'settings' | 'segments' | 'store' | 'network' | 'log'>): Fleet {
  const die = (brokerId: number, error: unknown): never => {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`broker ${brokerId}: ${reason}\n`);
    endAtOnce();
  };
  framePool.configure({ keptBytesMax: framePoolDefaults.keptBytesMax * settings.brokers });
  return inProcessFleet({
    clock: systemClock,
    die,
    run: (slot) =>
      runBroker({
        slot,
        disk: systemDisk,
        segments,
        scrubBytesPerSecondMax: scrubBytesPerSecond(settings.scrubMebibytesPerSecond),
        durability: settings.durability as 'fsync' | 'page-cache',
        leaseMs: settings.leaseMs,
        store,
        network,
        warn: (text) => log(`broker ${slot.brokerId}: ${text}`),
        die: (error) => die(slot.brokerId, error),
      }),
  });
}

/** Reads what a dead session left, while its row is being fenced. */
function beginRecoveryOf(
  { folder, store }: Pick<Controlling, 'folder' | 'store'>,
  session: BrokerSession,
): RecoveryAhead {
  const parts = { store, clock: systemClock, random: systemRandom };
  const { brokerId, epoch: sessionEpoch } = session;
  const settings = logSettingsDefault;
  const log = {
    disk: systemDisk,
    random: systemRandom,
    settings,
    volume: folder.volume(brokerId),
    brokerId,
    sessionEpoch,
  };
  return beginRecovery(log, () => checkVolumeOf(parts, folder, session));
}

/**
 * The volume is where this data folder has it: the folder may have been moved or copied since the session's row was
 * written.
 */
async function checkVolumeOf(parts: Persistence, folder: DataFolder, { brokerId }: BrokerSession): Promise<void> {
  checkVolume(folder.volume(brokerId), volumeOwner(await installationId(parts), brokerId));
}

/** Publishes what a dead session acknowledged; the clean-up removes the old files once others have the logs. */
async function recover(
  { folder, segments, store }: Pick<Controlling, 'folder' | 'segments' | 'store'>,
  session: BrokerSession,
  fencedVersion: number,
  known: KnownOfDead,
): Promise<Recovered> {
  let version = fencedVersion;
  const parts = { store, clock: systemClock, random: systemRandom };
  const topicIds = await placedTopics(parts);
  const volume = folder.volume(session.brokerId);
  if (session.state !== 'recovered') await checkVolumeOf(parts, folder, session);
  const { cleanUp, isSealed } = await publishWal({
    ...parts,
    ...known,
    disk: systemDisk,
    settings: logSettingsDefault,
    volume,
    segments,
    brokerId: session.brokerId,
    sessionEpoch: session.epoch,
    isPublished: session.state === 'recovered',
    guard: () => [{ op: 'check', key: brokerSessionKey(session.brokerId), if: { version } }],
    keeps: (topicId) => topicIds.has(topicId),
  });
  return {
    isSealed,
    async cleanUp(current) {
      version = current;
      const mark = new CommitMark(volume, () => store.lastCommit());
      await mark.noteDurably();
      mark.close();
      await cleanUp();
    },
  };
}

function controllerSettings(settings: ServeSettings): Partial<ControllerSettings> {
  return {
    lease: leaseSettings(settings.leaseMs),
    loadIntervalMs: settings.loadIntervalMs,
    brokerCapacity: {
      bytesInPerSecond: settings.brokerBytesIn,
      bytesOutPerSecond: settings.brokerBytesOut,
      requestsPerSecond: settings.brokerRequests,
    },
    scale: {
      ...scaleDefaults,
      brokersMin: settings.brokers,
      brokersMax: slotsMax(settings),
      inAfterMs: settings.scaleInAfterMs,
    },
  };
}
