/**
 * More faults that are short scripts (fault-scripts.ts): two events that have to happen within a few milliseconds, or
 * while nobody writes, before the damage can be seen.
 */
import type { BrokerProcess } from './broker-process.ts';
import { goodBucket } from './bucket.ts';
import { type FaultActs, placementsPk } from './fault-acts.ts';
import type { Fault } from './fault-plan.ts';
import { goodMood } from './process-store.ts';
import { clusterIds, segmentsDirectory } from './world.ts';

/** In which a planned move has published all that its logs hold. */
const movedMs = 450;
/** Nobody writes anything new until the kill. */
const quietMs = 800;
/** For a log to grow by a checkpoint's worth or two. */
const rushMsMin = 60;
const silentMs = 900;
/** For which producers begin, and begin again. */
const firstsMs = 900;
/** From one half of the producers to the other: of a client with one id some partitions then wait while others begin. */
const restartMs = 150;
/** In which a broker rolls up what it has. */
const crowdAfterMs = 350;
const crowdMs = 400;
/** Longer than the next controller needs. */
const leftMoveMs = 2500;
const refusedMs = 900;
const refusedEveryMs = 20;
const slowStoreMs = 2500;
/** Longer than it takes a gateway to start. */
const frameLateMs = 1200;
/** More than there are partitions of bounded topics, mostly. */
const cutsMax = 8;
const toldKillMsMax = 700;
const unsyncedMs = 900;

/**
 * Logs whose records are all in segments lose all of them to DeleteRecords, and their owners die before anybody writes
 * again: what is known about their producers has to outlive the segments that held it. In every second world the store
 * is slow, and the owners die as soon as a client is told that the deletion is done: then it has to be.
 */
export function killAfterCut(acts: FaultActs, broker: BrokerProcess | undefined, { target, value }: Fault): void {
  if (!broker) return;
  const { loop } = acts.world;
  acts.world.focus = { partitions: new Set(), untilMs: loop.nowMs + quietMs };
  acts.planned('drain', target, movedMs);
  const isTold = value % 2 === 0;
  let isKilled = false;
  const kill = (): void => {
    if (isKilled) return;
    isKilled = true;
    acts.world.fault('all brokers killed');
    // Producers live: what they send next follows what was deleted.
    for (const { process } of acts.supervisor.brokers()) process.end('SIGKILL');
  };
  loop.schedule(movedMs + (value % 100), () => {
    acts.world.fault('the records of bounded topics are deleted');
    if (isTold) acts.mood({ ...goodMood, slowMs: 40 + (value % 80) }, toldKillMsMax);
    for (let i = 0; i < cutsMax; i++) acts.topics.deleteRecords(i, (code) => isTold && code === 0 && kill());
  });
  loop.schedule(movedMs + (isTold ? toldKillMsMax : 130 + (value % 200)), kill);
}

/**
 * Committers commit one place after the other as fast as the disk lets them, so that changes land between any two pieces of a
 * coordinator's checkpoint; in the middle of that its broker dies. The next coordinator has to know what was committed last.
 */
export function killInRush(acts: FaultActs, _broker: BrokerProcess | undefined, { target, value }: Fault): void {
  const { loop, disks } = acts.world;
  const seats = acts.seatsOf(clusterIds[target % clusterIds.length]!);
  const broker = seats[value % Math.max(1, seats.length)];
  if (!broker) return;
  const { volume } = broker.slot;
  const rushMs = rushMsMin + value * 0.3;
  acts.world.fault(`committers hurry for ${Math.round(rushMs)} ms`);
  acts.world.rush = { untilMs: loop.nowMs + rushMs, silentUntilMs: loop.nowMs + rushMs + silentMs, isRefused: false };
  disks.slowMs.set(volume, 2 + (value % 7));
  loop.schedule(rushMs, () => {
    disks.slowMs.delete(volume);
    acts.kill(broker, 'SIGKILL');
  });
}

/**
 * A broker dies, and producers start over while nobody serves its logs: their first batches are given up one after the
 * other, and while the producers are told so, the next batches are on the wire and the next owner takes over.
 */
export function killBeforeFirst(acts: FaultActs, broker: BrokerProcess | undefined, { value }: Fault): void {
  if (!broker) return;
  const { loop } = acts.world;
  acts.world.focus = { partitions: new Set(acts.partitionsOf(broker.slot.brokerId)), untilMs: loop.nowMs + firstsMs };
  // Longer away than requests are held.
  acts.mood({ ...goodMood, slowMs: 20 + (value % 80) }, firstsMs);
  acts.kill(broker, 'SIGKILL');
  for (let i = 0; i * restartMs < firstsMs; i++)
    loop.schedule(i * restartMs + (value % restartMs), () => acts.topics.restartHalf((i % 2) as 0 | 1));
}

/**
 * The logs of brokers are empty and their roll-ups take long; then all producers send their first batches at one
 * moment, more than a log has room for, and more than may wait for room. A refused batch takes everything behind it
 * along, however small.
 */
export function crowdFirsts(acts: FaultActs, _broker: BrokerProcess | undefined, { value }: Fault): void {
  const { loop } = acts.world;
  const atMs = loop.nowMs + crowdAfterMs + (value % 60);
  acts.world.focus = { partitions: new Set(), untilMs: atMs };
  acts.world.fault('producers begin anew all at once');
  acts.topics.burstAt(atMs);
  loop.schedule(crowdAfterMs - 30, () => acts.mood({ ...goodMood, slowMs: 100 + (value % 100) }, crowdMs));
}

/** What a broker is to give away cannot be published: the disk of the segments is full in that moment. */
export function moveWhenFull(
  acts: FaultActs,
  _broker: BrokerProcess | undefined,
  { target, value, durationMs }: Fault,
): void {
  const { disks } = acts.world;
  acts.world.fault('disk: the segments have no room for what moves');
  for (let i = 0; i <= value % 3; i++)
    disks.of(segmentsDirectory).plan({ on: 'write', error: 'full', afterBytes: value % 100 });
  acts.planned(value % 2 === 0 ? 'drain' : 'restart', target, durationMs);
}

/**
 * A broker is asked to give its logs away, and nothing can be published meanwhile. The controller that asked dies, and
 * the wish is withdrawn before the next one keeps the fleet: nobody ever asks again, and the broker has to serve its
 * logs.
 */
export function leaveMove(acts: FaultActs, broker: BrokerProcess | undefined, { value }: Fault): void {
  const { disks, loop } = acts.world;
  const onlookers = acts.onlookers();
  const keeper = acts.supervisor.deciders.find((decider) => !onlookers.includes(decider));
  // Where the controller and the brokers are one process, they end together.
  if (!broker || !keeper || onlookers.length === 0) return;
  disks.of(segmentsDirectory).isTaken = true;
  acts.lasting('disk: the segments have no room', leftMoveMs, () => (disks.of(segmentsDirectory).isTaken = false));
  acts.bucketMood({ ...goodBucket, awayPercent: 100 }, leftMoveMs);
  acts.planned('drain', broker.slot.brokerId - 1, 0);
  loop.schedule(100 + (value % 300), () => acts.killProcess(keeper.process));
}

/**
 * A broker gives its logs away one after the other while its disk is slow and then has no room: what the others are sent is
 * refused while what was written before is still waiting for its sync. A release waits for that, however many are refused.
 */
export function moveWhileRefused(acts: FaultActs, _broker: BrokerProcess | undefined, { target, value }: Fault): void {
  const { disks, settings, loop } = acts.world;
  const { volume } = settings.slots[target % settings.slots.length]!;
  disks.slowMs.set(volume, 150 + (value % 250));
  acts.planned('drain', target, refusedMs);
  acts.lasting(`disk: writes to ${volume} find no room`, refusedMs, () => disks.slowMs.delete(volume));
  for (let atMs = value % refusedEveryMs; atMs < refusedMs; atMs += refusedEveryMs)
    loop.schedule(atMs, () => disks.of(volume).plan({ on: 'write', error: 'full', afterBytes: 0 }));
}

/**
 * A broker dies, and one file holds what it had of many logs, which many brokers own by then. While the store is slow they
 * all change what lives in that file.
 */
export function shareFileSlowly(acts: FaultActs, broker: BrokerProcess | undefined, { value }: Fault): void {
  if (!broker) return;
  const { loop } = acts.world;
  acts.kill(broker, 'SIGKILL');
  loop.schedule(300 + (value % 500), () => acts.mood({ ...goodMood, slowMs: 150 + (value % 150) }, slowStoreMs));
}

/**
 * What a gateway has sent reaches a broker late. It died meanwhile, and the next one sends the same batches once more, and
 * others of an epoch to which their producer has gone on. Or the partitions went to another broker and came back: what was
 * sent at their former epoch has lost its place.
 */
export function deliverLate(acts: FaultActs, broker: BrokerProcess | undefined, { value }: Fault): void {
  if (!broker) return;
  const { network, loop } = acts.world;
  const { address, brokerId } = broker.slot;
  acts.world.fault(`network: some frames to ${address} are late`);
  network.slow(address, frameLateMs);
  loop.schedule(100 + (value % 150), () => {
    network.slow(address, 0);
    if (value % 2 === 0) {
      acts.killProcess(acts.supervisor.parent.process);
      // Its clients give up what the gateway had, and continue under the next epoch as soon as somebody serves.
      acts.topics.restartProducers();
    } else acts.planned('drain', brokerId - 1, 0);
  });
}

/**
 * Placements by a controller that does not keep the fleet (the partitions of a new topic, and those of a dead broker)
 * arrive when one of the target brokers, or its zone, has been emptied meanwhile, and is said to be empty.
 */
export function placeBehindDrain(acts: FaultActs, broker: BrokerProcess | undefined, { target, value }: Fault): void {
  const { store, loop, settings } = acts.world;
  const lateMs = 900 + value;
  for (const { process } of new Set([acts.supervisor.parent, ...acts.onlookers()])) {
    const act = (): void => acts.world.fault(`store: the placement of ${process.name} has come`);
    store.traps.set(process, { pk: placementsPk, when: 'after', lateMs, act });
  }
  acts.topics.create(value % 2 === 0);
  const { brokerId } = settings.slots[target % settings.slots.length]!;
  if (value % 3 > 0 && broker?.slot.brokerId !== brokerId) acts.kill(broker, 'SIGKILL');
  // Behind the look at what is wanted, and long before the write.
  loop.schedule(30 + (value % 100), () => {
    if (value % 4 > 0) acts.planned('drain', target, lateMs + 1200);
    else acts.fleet('evacuate', target, lateMs + 1200);
  });
}

/** A topic is deleted while what was written to it waits for slow syncs: nothing of it may be left in the logs of its owners. */
export function deleteUnsynced(acts: FaultActs, _broker: BrokerProcess | undefined, { target, value }: Fault): void {
  const { disks, loop, settings } = acts.world;
  for (const { volume } of settings.slots) disks.slowMs.set(volume, 150 + (value % 250));
  loop.schedule(30 + (value % 200), () => acts.topics.delete(target));
  acts.lasting('disk: all logs are slow', unsyncedMs, () => {
    for (const { volume } of settings.slots) disks.slowMs.delete(volume);
  });
}
