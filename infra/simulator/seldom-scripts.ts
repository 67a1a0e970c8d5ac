/**
 * Faults that are short scripts (fault-scripts.ts), for the mix with what no other reaches: the middle of a commit of
 * many offsets, what a cut link still has to write, and volumes that are earlier copies of themselves.
 */
import type { MemoryDisk } from '../../engine/log/disk/memory-disk.ts';
import { walDirectory } from '../../engine/log/wal/wal-format.ts';
import { scanWal } from '../../engine/log/wal/scan-wal.ts';
import type { BrokerProcess } from './broker-process.ts';
import { type FaultActs, placementsPk } from './fault-acts.ts';
import type { Fault } from './fault-plan.ts';
import { goodMood } from './process-store.ts';
import { clusterIds } from './world.ts';

const rushMsMin = 250;
/** From one write that finds no room to the next: as long as appends are refused behind one, in half of the worlds. */
const refusedEveryMs = 23;
/** From the cut to the death of those who have the logs by then, and until what was sent is given up. */
const placedLateMs = 150;
const strandedDeathMs = 100;
const strandedMs = 2200;
const strandedStoreMs = 1500;
/** For the log to grow. */
const earlierMsMin = 100;
const toldRenewals = 3;
const scanSliceBytes = 4096;
const growths = 8;
const asleepMsMin = 2200;
const asksAsleep = 6;
const askEveryMs = 70;

/**
 * Committers commit all their offsets as fast as they are answered, over a slow disk, and now and then a write finds no
 * room: the first part of a commit is stored by then, or the last one refused. A refused committer checks what is there
 * before it commits again.
 */
export function refuseParts(acts: FaultActs, _broker: BrokerProcess | undefined, { target, value }: Fault): void {
  const { loop, disks } = acts.world;
  const rushMs = rushMsMin + (value % 300);
  acts.world.fault(`committers hurry for ${rushMs} ms, and some writes find no room`);
  acts.world.rush = { untilMs: loop.nowMs + rushMs, silentUntilMs: loop.nowMs + rushMs, isRefused: true };
  for (const { slot } of acts.seatsOf(clusterIds[target % clusterIds.length]!)) {
    const { volume } = slot;
    disks.slowMs.set(volume, 2 + (value % 7));
    loop.schedule(rushMs, () => disks.slowMs.delete(volume));
    for (let atMs = value % refusedEveryMs; atMs < rushMs; atMs += refusedEveryMs)
      loop.schedule(atMs, () => disks.of(volume).plan({ on: 'write', error: 'full', afterBytes: 0 }));
  }
}

/**
 * A broker gives its logs away, and nothing that is sent to it after that request arrives. Large batches stay in the
 * gateway's sockets, even after the gateway has given up their links because another owner is named at last. That owner
 * is dead before it accepts anything, so the appends are given up; then the network resumes, and the sockets write what
 * they hold.
 */
export function strandBatches(acts: FaultActs, broker: BrokerProcess | undefined, { value }: Fault): void {
  if (!broker) return;
  const { network, loop, store } = acts.world;
  const { address, brokerId } = broker.slot;
  let isAsked = false;
  const begin = (): void => {
    if (isAsked || acts.world.isHealed) return;
    isAsked = true;
    network.cut(address, 'to');
    acts.lasting(`network: cut to ${address}`, strandedMs, () => network.heal(address));
    acts.topics.burstAt(loop.nowMs + 40 + (value % 40));
    loop.schedule(placedLateMs + strandedDeathMs, () => {
      acts.mood({ ...goodMood, slowMs: 40 + (value % 80) }, strandedStoreMs);
      for (const other of acts.supervisor.brokers()) if (other !== broker) acts.kill(other, 'SIGKILL');
    });
  };
  for (const partition of acts.partitionsOf(brokerId)) acts.world.onRelease(partition, begin);
  for (const { process } of acts.supervisor.deciders) {
    const act = (): void => acts.world.fault(`store: the placement of ${process.name} has come`);
    store.traps.set(process, { pk: placementsPk, when: 'after', lateMs: placedLateMs, isDue: () => isAsked, act });
  }
  acts.planned('drain', brokerId - 1, strandedMs);
}

/**
 * The store is slow and loses changes while topics grow: a process that rereads what it has missed misses what changes
 * meanwhile, and has to be told so. Nothing later makes up for it, because each topic grows a last time.
 */
export function growUnheard(acts: FaultActs, _broker: BrokerProcess | undefined, { value, durationMs }: Fault): void {
  const untilMs = 500 + durationMs;
  acts.mood({ ...goodMood, changeLostPercent: 30 + (value % 50), slowMs: 30 + (value % 200) }, untilMs);
  for (let i = 0; i < growths; i++)
    acts.world.loop.schedule(40 + ((i * untilMs) / growths) * 0.9, () => acts.topics.grow(i));
}

/**
 * A broker is stopped, its parent dies, and the slot has its next session, with logs that have returned to it, while
 * the gateway's link leads to the stopped broker. That broker finds the requests when it resumes, before it knows that
 * its session is over.
 */
export function askAsleep(acts: FaultActs, broker: BrokerProcess | undefined, { target, value }: Fault): void {
  if (!broker) return;
  const { loop } = acts.world;
  const { process, slot } = broker;
  const asleepMs = asleepMsMin + value;
  acts.hang(process, asleepMs);
  loop.schedule(value % 300, () => acts.killProcess(acts.decider(target).process));
  for (let i = 1; i <= asksAsleep; i++)
    loop.schedule(asleepMs - i * askEveryMs, () => process.isAlive && acts.topics.deleteAt(slot.brokerId));
}

/**
 * A broker dies, and its volume is mounted in an earlier state: acknowledged records are missing at the end of the log.
 * Nobody may take the volume for complete, because several renewals of the lease have told of more. Then the volume
 * returns to its latest state.
 */
export function mountEarlier(acts: FaultActs, broker: BrokerProcess | undefined, { value, durationMs }: Fault): void {
  if (!broker) return;
  const { disks, loop, store, settings } = acts.world;
  const { process, slot } = broker;
  const earlier = disks.of(slot.volume).copy();
  const mount = (): void => {
    if (!process.isRunning || acts.world.isHealed) return;
    acts.kill(broker, 'SIGKILL');
    disks.mountEarlier(slot.volume, earlier);
    acts.lasting(`disk: ${slot.volume} is an earlier copy`, 500 + durationMs, () => disks.mountPresent());
  };
  const look = async (): Promise<void> => {
    const { nowMs } = loop;
    const { syncedLsn } = broker;
    if (!(await isBehind(broker, earlier, syncedLsn))) return;
    const toldMs = toldRenewals * settings.lease.renewIntervalMs;
    loop.schedule(toldMs, () => {
      const isTold = store.troubledAtMs < nowMs && process.resumedAtMs < nowMs;
      if (isTold) mount();
    });
  };
  loop.schedule(earlierMsMin + (value % 700), () => void look());
}

async function isBehind(broker: BrokerProcess, earlier: MemoryDisk, syncedLsn: number): Promise<boolean> {
  const { slot, sessionEpoch } = broker;
  const directory = walDirectory(slot.volume, sessionEpoch);
  if (!earlier.exists(directory)) return false;
  const scanned = { disk: earlier, directory, sessionEpoch, sliceBytes: scanSliceBytes };
  const { endLsn } = await scanWal(scanned, () => undefined);
  return endLsn < syncedLsn;
}
