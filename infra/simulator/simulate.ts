/**
 * One world from its seed to its verdict: start it, let clients work while faults happen, heal it, require that
 * everything works again, read what remains, and judge the whole.
 */
import { controllerDefaults } from '../../engine/controller/settings.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { framePool } from '../../engine/kernel/frame-pool.ts';
import { below, seededRandom } from '../../engine/kernel/random.ts';
import type { Uuid } from '../../engine/kernel/uuid.ts';
import { logPk } from '../../engine/log/rows/log-state.ts';
import { storeOpsMax } from '../../engine/ports.ts';
import { type LogSettings, logSettingsDefault } from '../../engine/log/settings.ts';
import type { Anomaly } from './anomaly.ts';
import { check, watchHistory } from './checker.ts';
import { unnoticedRot } from './bit-rot.ts';
import { drawClaims } from './claimed-times.ts';
import { Consumer } from './consumer.ts';
import { Doors } from './doors.ts';
import { WorldStopped } from './event-loop.ts';
import { drawFaults, type Fault, type FaultKind, losesNoCache } from './fault-plan.ts';
import type { TimedEntry } from './history.ts';
import { Injector } from './inject.ts';
import { finalConsumer } from './judge-records.ts';
import { drawRetention, keptBytes } from './kept-topics.ts';
import { Liveness } from './liveness.ts';
import type { Plant } from './plant.ts';
import { noteDeaths } from './quiet-deaths.ts';
import { loseMembers, moveLogs, moveSeats, seamlessHoldMs } from './quiet-move.ts';
import { watchPolls } from './quiet-poll.ts';
import { watchCatalogues } from './catalogue-audit.ts';
import { auditDeleted, auditKept, auditOverdue, auditStorage, partitionsMax, unfreedTopics } from './storage-audit.ts';
import { watchEmptied } from './said-empty.ts';
import { watchPlaces } from './watch-places.ts';
import { takeTimeToDecode } from './recoding.ts';
import type { SimTopic } from './topic-plan.ts';
import { Supervisor } from './supervisor.ts';
import { drawLimits } from './tight-limits.ts';
import { TopicRoom } from './topic-room.ts';
import { clusterIds, segmentsDirectory, World, type WorldSettings } from './world.ts';

export interface SimulationOptions {
  readonly seed: number;
  readonly scenario?: string;
  /** How many faults are drawn from the seed; it draws their number as well when absent. */
  readonly steps?: number | undefined;
  /** Replaces the drawn faults. */
  readonly faults?: readonly Fault[];
  readonly plant?: Plant;
  /** The world ends soon after its history shows an anomaly: for a caller that asks only whether there is one. */
  readonly endsAtAnomaly?: boolean;
}

export interface Simulation {
  readonly seed: number;
  readonly faults: readonly Fault[];
  readonly anomalies: readonly Anomaly[];
  readonly history: readonly TimedEntry[];
  /** The hash of the whole history: equal for equal seeds. */
  hash(): string;
  readonly events: number;
  readonly virtualMs: number;
  readonly stacks: readonly string[];
}

/** Many short worlds find more than a few long ones: most bugs need two or three faults. */
const stepsMin = 3;
const stepsMax = 6;
/** Mixes whose worlds always have controllers in processes of their own. */
const scenariosApart = ['controllers', 'late', 'planned', 'twins', 'gateways', 'missed'];
const startMsMax = 40_000;
/** Time after the last fault: for lasting faults to end by themselves, then for everything to work again. */
const afterFaultsMs = 600;
/** Faults that consist of several, one after the other. */
const scriptMs: Readonly<Partial<Record<FaultKind, number>>> = {
  'twin-start': 4800,
  'two-recoveries': 3500,
  'late-remap': 2500,
  'end-late': 3500,
  'move-late': 6300,
  'move-unheard': 1300,
  'wake-at-fence': 2500,
  'full-drain': 1000,
  'left-move': 4500,
  'move-away': 7500,
  'shared-file': 3000,
  'fresh-kill': 1000,
  crowd: 900,
  'refused-parts': 800,
  'stranded-batches': 3500,
  'earlier-volume': 2500,
  'unheard-growth': 2500,
  'asked-asleep': 3500,
  'keep-meanwhile': 6000,
  'missed-twice': 1500,
  'deleted-kill': 1500,
  'delete-dying': 2200,
  'stale-look': 2600,
  'late-frame': 1500,
  'late-place': 2600,
  'answers-lost': 1000,
  'told-power': 1600,
  'slow-delete': 900,
  'go-over': 2200,
  'disk-keeps': 2200,
};
/** Worlds in which clients shorten logs; 3 by default. */
const cutOneOf: Readonly<Record<string, number>> = { gateways: 2, missed: 1 };
/** Worlds whose segments are in a bucket; none by default. */
const bucketOneOf: Readonly<Record<string, number>> = { planned: 2, topics: 2, missed: 3 };
const droppingScenarios: readonly string[] = ['groups', 'controllers', 'full', 'gateways', 'seldom'];
const busyOneOf = 5;
const turnStepMs = 0.5;
const stuckAfterMs = 40_000;
const readMsMax = 20_000;
/** Between two requested roll-ups. */
const rollUpMs = 300;
/** If bits flip, some partitions stay unavailable; everything that can work does so by then. */
const rottenMsMax = 2500;
const askAgainMs = 5000;
/** From far away, each answer to the last reader takes longer than what it reads. */
const farReadsMax = 40;
const mendedMsMax = 15_000;
const fewReleases = { logsPerReleaseMax: 1, releasesInFlightMax: 1 };
const singleReleases = { logsPerReleaseMax: 1, releasesInFlightMax: 4 };
const manyReleases = { logsPerReleaseMax: 64, releasesInFlightMax: 4 };
/** Of placements and checks: more than one topic never fits, where several of a shard move. */
const fewMoveOps = 3;
const chunkBytesMin = 256;
/** Worlds that acknowledge before the sync, of mixes in which no machine loses power and no sync fails. */
const pageCacheOneOf = 6;
/** Longer than retention takes to run and remove what it finds. */
const removalMsMax = 3000;

let last: Promise<unknown> = Promise.resolve();

/**
 * One world at a time: all of a process share its handlers, its frame pool and what is patched. A test that gives a world
 * up at its time limit does not end it, and the next test would run its own beside it.
 */
export function simulate(options: SimulationOptions): Promise<Simulation> {
  const next = last.then(() => simulateOne(options));
  last = next.catch(() => undefined);
  return next;
}

async function simulateOne(options: SimulationOptions): Promise<Simulation> {
  // A frame whose memory is reused too early is then a batch with a wrong checksum.
  framePool.configure({ poisons: true, frameBytesMin: 1 });
  const { seed, scenario = 'mixed', plant = {} } = options;
  const random = seededRandom(seed);
  const steps = options.steps ?? stepsMin + below(random, 1 + stepsMax - stepsMin);
  const settings = drawSettings(seed, scenario, plant);
  const faults = options.faults ?? drawFaults(random, scenario, steps, settings.hasBucket);
  const world = new World(settings);
  const undo = plant.patch?.();
  const quick = settings.recodes ? takeTimeToDecode(world.loop, world.random()) : () => undefined;
  const ambient = watchRejections((error) => world.bug('promise', error));
  if (options.endsAtAnomaly) world.loop.isEnough = watchHistory(world.history.entries);
  try {
    await live(world, faults).catch((error: unknown) => {
      if (!(error instanceof WorldStopped)) throw error;
    });
    await endAll(world);
  } finally {
    ambient();
    quick();
    undo?.();
  }
  const { history, loop, stacks } = world;
  return {
    seed,
    faults,
    stacks,
    anomalies: check(history.entries),
    history: history.entries,
    hash: () => history.hash(),
    events: loop.events,
    virtualMs: Math.round(loop.nowMs),
  };
}

async function live(world: World, faults: readonly Fault[]): Promise<void> {
  const { loop, history } = world;
  const doors = new Doors(world);
  const supervisor = new Supervisor(world, doors);
  watchEmptied(world);
  watchPlaces(world);
  await loop.run(loop.nowMs + startMsMax, () => doors.areOpen());
  const topics = new TopicRoom(world, doors);
  topics.create(false);
  topics.create(true);
  await loop.run(loop.nowMs + startMsMax, () => topics.topics.length === 2);
  if (topics.topics.length < 2) return history.add({ kind: 'stuck', what: 'no topic could be made' });

  if (world.settings.mayCorrupt) history.add({ kind: 'rot' });
  const injector = new Injector(world, supervisor, topics);
  let lastMs = 0;
  for (const fault of faults) {
    loop.schedule(fault.atMs, () => injector.inject(fault));
    lastMs = Math.max(lastMs, fault.atMs + (scriptMs[fault.kind] ?? Math.min(fault.durationMs, 2000)));
  }
  await loop.run(loop.nowMs + lastMs + afterFaultsMs);

  world.fault('everything heals');
  injector.heal();
  world.isHealed = true;
  topics.isOver = true;
  for (const group of topics.groups) group.isCalm = true;
  const liveness = new Liveness(world, doors, supervisor, topics);
  const { mayCorrupt } = world.settings;
  const workMsMax = mayCorrupt ? rottenMsMax : stuckAfterMs;
  await loop.run(loop.nowMs + workMsMax, () => liveness.isGood);
  const isGood = liveness.isGood;
  if (isGood) await watchCatalogues(world, supervisor);
  if (!mayCorrupt && isGood) await moveLogs(world, supervisor, topics);
  if (!mayCorrupt && isGood) topics.tellKept();
  world.disks.of(segmentsDirectory).refusesRemoval = () => false;
  topics.stopSending();
  if (!mayCorrupt && !isGood) history.add({ kind: 'stuck', what: liveness.missing() });
  else if (!mayCorrupt) {
    await moveSeats(world, supervisor, topics.groups);
    await loseMembers(world, supervisor, topics.groups);
  }
  for (const group of topics.groups) group.stop();
  await loop.run(loop.nowMs + workMsMax, () => topics.isQuiet);
  if (!topics.isQuiet && !mayCorrupt) history.add({ kind: 'stuck', what: 'producers still wait for their answers' });
  else if (!mayCorrupt && isGood) await watchPolls(world, doors, topics);
  const quietFrom = mayCorrupt || !isGood ? Infinity : history.entries.length;

  await readAll(world, doors, topics);
  if (mayCorrupt) await auditRot(world, supervisor);
  else await audit(world, supervisor, topics);
  noteDeaths(history, quietFrom);
  if (!mayCorrupt && isGood) await hearSurveyors(world, topics);
  for (const client of [...topics.consumers, ...topics.surveyors]) client.isStopped = true;
  supervisor.isOver = true;
}

/** Most questions of a surveyor may have come before all was well: it may ask some more. */
async function hearSurveyors({ loop, history }: World, { surveyors }: TopicRoom): Promise<void> {
  const untold = (): string[] => surveyors.flatMap((one) => one.untold());
  if (untold().length > 0) await loop.run(loop.nowMs + askAgainMs, () => untold().length === 0);
  for (const what of untold()) history.add({ kind: 'stuck', what });
}

/** What is in flight finds no receiver; nothing of this world may run beside the next one. */
async function endAll({ processes, loop }: World): Promise<void> {
  loop.isEnough = () => false;
  for (const process of processes.values()) process.end('the simulation is over');
  await loop.run(loop.nowMs + 10);
}

/** Every broker scrubs; then each flipped bit is known, or is in no file that matters. */
async function auditRot(world: World, supervisor: Supervisor): Promise<void> {
  let left = 0;
  // Of a log that was mended: it is tried again, now and then.
  const isBack = (): boolean => supervisor.brokers().filter(({ isServing }) => isServing).length === brokers;
  const { length: brokers } = world.settings.slots;
  if (world.mends.length > 0) await world.loop.run(world.loop.nowMs + mendedMsMax, isBack);
  for (const broker of supervisor.brokers()) {
    left++;
    void broker.scrub().then(() => left--);
  }
  await world.loop.run(world.loop.nowMs + readMsMax, () => left === 0);
  for (const path of await unnoticedRot(world)) world.history.add({ kind: 'unnoticed', what: path });
}

async function audit(world: World, supervisor: Supervisor, topics: TopicRoom): Promise<void> {
  const { loop, history } = world;
  const untilMs = loop.nowMs + stuckAfterMs;
  while (loop.nowMs < untilMs && (await unfreedTopics(world)) > 0) await loop.run(loop.nowMs + 200);
  if ((await unfreedTopics(world)) > 0)
    history.add({ kind: 'stuck', what: 'the space of a deleted topic is not freed' });
  const known = [...topics.topics, ...clusterIds.flatMap((id) => [...supervisor.parent.catalogue.ofCluster(id)])];
  const isGone = ({ topicId }: { topicId: Uuid }): boolean => supervisor.parent.catalogue.byId(topicId) === undefined;
  const freed = topics.topics.filter((topic) => topic.isDeleted && isGone(topic)).map(({ topicId }) => topicId);
  const pks = new Set<string>();
  for (const { topicId } of known) for (let i = 0; i < partitionsMax; i++) pks.add(logPk(topicId, i));
  const bounded = topics.topics.filter(({ isDeleted, isBounded, isCutOnly }) => isBounded && !isCutOnly && !isDeleted);
  const logsOf = ({ topicId, partitions }: SimTopic): string[] =>
    Array.from({ length: partitions }, (_, i) => logPk(topicId, i));
  await loop.run(loop.nowMs + stuckAfterMs, () => topics.isKeptTold);
  if (!topics.isKeptTold) history.add({ kind: 'stuck', what: 'no topic is told how much of it is kept' });
  const bySize = bounded.filter(({ keptMs }) => keptMs === undefined).flatMap(logsOf);
  const byTime = bounded.filter(({ keptMs }) => keptMs !== undefined);
  const look = async (): Promise<string[]> => [
    ...(await auditStorage(world, [...pks])),
    ...(await auditDeleted(world, freed)),
    ...(await auditKept(world, bySize, keptBytes)),
    ...(await auditOverdue(world, byTime.flatMap(logsOf), byTime[0]?.keptMs ?? 0)),
  ];
  const backlogs = (): string[] => supervisor.brokers().flatMap((broker) => broker.backlog() ?? []);
  await loop.run(loop.nowMs + stuckAfterMs, () => backlogs().length === 0);
  for (const what of backlogs()) history.add({ kind: 'stuck', what });
  await rollUpAll(world, supervisor);
  let wrong = await look();
  // A file may be about to be removed at this very moment, and a file that a fenced process created as it ended is
  // removed once the sweep has seen it twice. Only files that stay count.
  for (const waitMs of [removalMsMax, 2 * world.settings.log.orphanGraceMs + removalMsMax]) {
    if (wrong.length === 0) break;
    await loop.run(loop.nowMs + waitMs);
    const later = new Set(await look());
    wrong = wrong.filter((what) => later.has(what));
  }
  for (const what of wrong) history.add({ kind: 'leak', what });
}

/** An amount counted as not rolled up that exists nowhere would admit less and less, and keep the log's chunks for ever. */
async function rollUpAll({ loop, history }: World, supervisor: Supervisor): Promise<void> {
  const untilMs = loop.nowMs + stuckAfterMs;
  const left = (): string[] => supervisor.brokers().flatMap((broker) => broker.unrolled() ?? []);
  while (left().length > 0 && loop.nowMs < untilMs) {
    for (const broker of supervisor.brokers()) broker.rollUp();
    await loop.run(loop.nowMs + rollUpMs, () => left().length === 0);
  }
  for (const what of left()) history.add({ kind: 'leak', what });
}

async function readAll(world: World, doors: Doors, topics: TopicRoom): Promise<void> {
  const readers = topics.topics
    .filter(({ isDeleted }) => !isDeleted)
    .flatMap((topic) =>
      Array.from({ length: topic.partitions }, (_, partition) => ({
        partition,
        topic,
        consumer: new Consumer(world, doors.any(), topic, [partition], finalConsumer, { maxWaitMs: 50, pauseMs: 0 }),
      })),
    );
  const isDone = ({ consumer, partition }: (typeof readers)[number]): boolean =>
    consumer.offsets.get(partition)! >= (consumer.seen.get(partition) ?? Infinity);
  const { mayCorrupt, farMs } = world.settings;
  const workMsMax = mayCorrupt ? rottenMsMax + farReadsMax * 2 * farMs : readMsMax;
  await world.loop.run(world.loop.nowMs + workMsMax, () => readers.every(isDone));
  for (const reader of readers) {
    reader.consumer.isStopped = true;
    if (isDone(reader) || (mayCorrupt && reader.consumer.lastCode !== errorCode.none)) continue;
    const what = `${reader.topic.name}/${reader.partition} cannot be read to its end`;
    world.history.add({ kind: 'stuck', what });
  }
}

/** From a separate random stream, so that earlier seeds keep their histories. */
function drawBeat(seed: number): number {
  const random = seededRandom(seed ^ 0xbea7);
  return below(random, 3) > 0 ? 20 + below(random, 130) : 0;
}

/** In a quarter of the worlds, and in all of `far`, clients are as far away as on another continent; likewise. */
function drawFar(seed: number, scenario: string): number {
  const random = seededRandom(seed ^ 0xfa12);
  if (scenario === 'far') return 30 + below(random, 65);
  return below(random, 4) === 0 ? 5 + below(random, 90) : 0;
}

/** In a fifth of the worlds processes are busy; likewise. */
function drawTurns(seed: number): number {
  const random = seededRandom(Math.imul(seed + 1, 0x1b873593));
  return below(random, busyOneOf) === 0 ? turnStepMs * (1 + below(random, 4)) : 0;
}

/** Whether a bucket holds the segments; likewise. */
function drawDurability(seed: number, scenario: string): LogSettings['durability'] {
  const isDrawn = below(seededRandom(seed ^ 0xd15c), pageCacheOneOf) === 0;
  return isDrawn && losesNoCache(scenario) ? 'page-cache' : 'fsync';
}

function drawBucket(seed: number, scenario: string): boolean {
  const oneOf = bucketOneOf[scenario];
  return oneOf !== undefined && below(seededRandom(seed ^ 0xb0c5), oneOf) === 0;
}

/** Whether clients delete groups: everywhere in one mix, and in a third of the worlds of some others; likewise. */
function drawDrops(seed: number, scenario: string): boolean {
  if (scenario === 'again') return true;
  return droppingScenarios.includes(scenario) && below(seededRandom(seed ^ 0xd109), 3) === 0;
}

/** Likewise. */
function drawTogether(seed: number): number {
  const random = seededRandom(seed ^ 0x7a45);
  return below(random, 2) === 0 ? 1 + below(random, 4) : storeOpsMax;
}

/** Of what production has room for by hundreds: a roll-up of a world's few logs then takes several of them. */
function drawFew(seed: number): Partial<LogSettings> {
  const random = seededRandom(seed ^ 0xfe77);
  return { transactionsTogetherMax: 1 + below(random, 2), logsPerFileMax: 1 + below(random, 3) };
}

/** In half of the worlds of two mixes: topics, placements, segments and files are then read as where there are thousands. */
function drawPageRows(seed: number, scenario: string): number | undefined {
  const random = seededRandom(seed ^ 0x9a6e);
  const isPaged = (scenario === 'seldom' || scenario === 'missed') && below(random, 2) === 0;
  return isPaged ? 1 + below(random, 3) : undefined;
}

/** Likewise. */
function drawMoveOps(seed: number): Pick<WorldSettings['releases'], 'moveOpsMax' | 'namesFew'> {
  const namesFew = below(seededRandom(seed ^ 0x30e5), 2) === 0;
  return { namesFew, moveOpsMax: namesFew ? fewMoveOps : controllerDefaults.moveOpsMax };
}

/** In a quarter of the worlds a log file has room for a record or two, so that files are dropped out of order. */
function drawChunkBytes(seed: number): number | undefined {
  const random = seededRandom(seed ^ 0xc4b2);
  return below(random, 4) === 0 ? chunkBytesMin + below(random, chunkBytesMin) : undefined;
}

function drawSettings(seed: number, scenario: string, plant: Plant): WorldSettings {
  const random = seededRandom(seed ^ 0x5eed);
  const brokers = 3 + below(random, 4);
  const slots = Array.from({ length: brokers }, (_, i) => ({
    brokerId: i + 1,
    zone: 'abc'[i % 3]!,
    volume: `/v${i + 1}`,
    address: `broker-${i + 1}`,
  }));
  // Short enough that some requests are given up while later ones are not.
  const holdMsMax = scenario === 'far' ? 60 << below(random, 2) : 60 << below(random, 6);
  const controllers = scenariosApart.includes(scenario) || below(random, 3) === 0 ? 2 + below(random, 2) : 0;
  const drawnChunkBytes = 1000 << below(random, 5);
  // In a sixth of the worlds so little that appends wait for most roll-ups, and some find no room to wait.
  const isNarrow = seed % 6 === 0;
  const drawnBytes = 2000 << below(random, 5);
  const limits = drawLimits(seed, scenario, holdMsMax);
  const rollUpBytes = isNarrow ? Math.max(1024, drawnBytes >> 3) : drawnBytes;
  return {
    seed,
    slots,
    plant,
    mayCorrupt: scenario === 'rot',
    hasBucket: drawBucket(seed, scenario),
    holdMsMax,
    beatMs: drawBeat(seed),
    farMs: drawFar(seed, scenario),
    turnMsMax: drawTurns(seed),
    limits,
    pageRows: drawPageRows(seed, scenario),
    releases: {
      ...(seed % 2 === 0 ? fewReleases : seed % 4 === 1 ? singleReleases : manyReleases),
      ...drawMoveOps(seed),
    },
    // In one of three worlds all of them: what is lost or held is then often on both sides of it.
    nearEndOneOf: below(seededRandom(seed ^ 0x2e31), 3) === 0 ? 1 : 7,
    retention: drawRetention(seed, scenario),
    claimsTimes: drawClaims(seed, scenario),
    cutsTopics: below(seededRandom(seed ^ 0xc077), cutOneOf[scenario] ?? 3) === 0,
    dropsGroups: drawDrops(seed, scenario),
    hasGroups: scenario === 'groups' || scenario === 'full' || below(seededRandom(seed ^ 0x9409), 8) === 0,
    controllers,
    fewerSlots: scenario === 'missed' ? below(seededRandom(seed ^ 0x510f), 3) : undefined,
    gateways: scenario === 'gateways' ? 2 : 1,
    recodes: (scenario === 'gateways' || scenario === 'seldom') && below(seededRandom(seed ^ 0x2ec0), 2) === 0,
    lease: { durationMs: 900, renewIntervalMs: 180, marginMs: 45, retryMsMax: 30 },
    log: {
      ...logSettingsDefault,
      walChunkBytesMax: drawChunkBytes(seed) ?? drawnChunkBytes,
      rollUpBytes,
      // So little in some worlds that appends wait for roll-ups; not drawn, as copiedBytesMax.
      unrolledBytesMax: seed % 3 > 0 ? 64_000 : isNarrow ? rollUpBytes : rollUpBytes + 500,
      // Who moves logs without being noticed has to have room for what waits meanwhile.
      waitingBytesMax: isNarrow && holdMsMax < seamlessHoldMs ? 1024 : logSettingsDefault.waitingBytesMax,
      waitingMsMax: seed % 2 === 0 ? 900 : logSettingsDefault.waitingMsMax,
      freeBytesFloor: 0,
      // A look at each append in some worlds: what is refused is then refused by the write, again and again.
      freeSpaceIntervalMs: seed % 4 === 2 ? 10 : 60,
      mergeBytesMax: 200 << below(random, 4),
      // Not drawn, so that the seeds of old stories still produce them.
      copiedBytesMax: 250 << (seed % 8),
      // Less than the controllers of a world wait for the answer.
      releaseBeginMsMax: 1200,
      releasePauseMsMax: seed % 2 === 0 ? 150 : 700,
      indexIntervalBytes: 256,
      writeSliceBytes: 1024,
      // In some worlds what a move published by reference alone stays so for a while, until its former owner writes on.
      retentionIntervalMs: seed % 6 === 5 ? 6000 : seed % 6 === 2 ? 100 : 700,
      // Longer than most worlds: their histories are as without the sweep.
      orphanGraceMs: 8000,
      // In half of the worlds what is rolled up or recovered takes several transactions, as where there are hundreds of logs.
      segmentsPerTransactionMax: drawTogether(seed),
      logsTogetherMax: drawTogether(seed),
      storeRetryTotalMsMax: 4000,
      ...(scenario === 'seldom' ? drawFew(seed) : {}),
      durability: drawDurability(seed, scenario),
      ...limits.log,
    },
  };
}

/** An unhandled rejection ends a process in production. */
function watchRejections(onRejection: (error: unknown) => void): () => void {
  const others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', onRejection);
  return () => {
    process.removeListener('unhandledRejection', onRejection);
    for (const other of others) process.on('unhandledRejection', other);
  };
}
