/** Assembles one embedded broker: its session, its logs, its catalogue and its server, in whichever process it lives. */
import { startBroker } from '../../engine/broker/broker.ts';
import { servedSlots } from '../../engine/broker/served-slots.ts';
import { openSession } from '../../engine/broker/session.ts';
import { noticedStore } from '../../engine/controller/row-notices.ts';
import { installationId } from '../../engine/controller/rows/installation.ts';
import { goneById } from '../../engine/controller/shards/controller-id.ts';
import { StoreCatalogue } from '../../engine/catalogue.ts';
import { type Clock, systemClock, type Timer } from '../../engine/kernel/clock.ts';
import { systemRandom } from '../../engine/kernel/random.ts';
import { createLogStore } from '../../engine/log/log-store.ts';
import { prepareVolume } from '../../engine/log/wal/wal.ts';
import { logSettingsDefault } from '../../engine/log/settings.ts';
import type { BrokerSlot, Disk, MetadataStore, Network, SegmentStore } from '../../engine/ports.ts';
import { claimVolume, volumeOwner } from '../../infra/disk/volume-owner.ts';
import { CommitMark } from '../../infra/disk/commit-mark.ts';
import type { LmdbStore } from '../../tenancy/store/lmdb.ts';
import { controllerName, isControllerGone } from '../serve/controller-name.ts';
import { leaseSettings } from '../serve/lease-settings.ts';
import { pauseOptimizerInFailovers } from '../serve/optimizer-pause.ts';

const markIntervalMs = 1_000;

/** Converts the setting from its unit for people. */
export function scrubBytesPerSecond(mebibytes: number): number {
  return mebibytes * 1024 * 1024;
}

export interface BrokerHome {
  readonly slot: BrokerSlot;
  readonly disk: Disk;
  readonly segments: SegmentStore;
  /** 0: only on request. */
  readonly scrubBytesPerSecondMax: number;
  readonly durability: 'fsync' | 'page-cache';
  readonly leaseMs: number;
  readonly store: LmdbStore;
  /** Where links connect, at the slot's address. */
  readonly network: Network;
  /** For operators. */
  readonly warn: (text: string) => void;
  /** The broker must not write or acknowledge anything any more: ends the process it lives in. */
  readonly die: (error: unknown) => never;
}

export interface RunningBroker {
  /** Stops cleanly: rolls up and closes the session. The store stays open. */
  stop(): Promise<void>;
}

/** Waits until the slot's previous session is closed. Throws SessionBlocked, and what the store throws. */
export async function runBroker(home: BrokerHome): Promise<RunningBroker> {
  const { slot, disk, segments, durability, scrubBytesPerSecondMax, network, warn, die } = home;
  const store = tellingStore(home);
  const clock = systemClock;
  const random = systemRandom;
  prepareVolume(disk, slot.volume);
  claimVolume(slot.volume, volumeOwner(await installationId({ store, clock, random }), slot.brokerId));
  // Before the session opens: from its row on others may send us partitions, and with thousands of them this takes a while.
  const catalogue = new StoreCatalogue(store, clock);
  pauseOptimizerInFailovers(catalogue, clock);
  await catalogue.start();
  const lease = leaseSettings(home.leaseMs);
  const session = await openSession({
    store,
    clock,
    random,
    slot,
    pid: process.pid,
    lease,
    onFenced: (cause) => die(cause),
  }).catch((failure: unknown) => {
    catalogue.close();
    throw failure;
  });
  const mark = new CommitMark(slot.volume, () => home.store.lastCommit());
  const noting = noteNowAndThen(mark, clock);
  const logs = await createLogStore({
    onNearlyFull: (isFull) => warn(nearlyFullText(slot.volume, isFull)),
    beforeDrop: () => mark.noteDurably(),
    beforeEmpty: () => session.noted(),
    disk,
    store,
    clock,
    random,
    settings: { ...logSettingsDefault, durability, scrubBytesPerSecondMax },
    brokerId: slot.brokerId,
    sessionEpoch: session.epoch,
    volume: slot.volume,
    segments,
    servedSlots: () => servedSlots({ store, clock, random }),
    mayAck: () => session.mayAck(),
    guard: () => session.guard(),
    onFatal: (failure) => die(failure),
  });
  session.noteLog(logs);
  const broker = await startBroker({
    brokerId: slot.brokerId,
    sessionEpoch: session.epoch,
    address: slot.address,
    logs,
    catalogue,
    takeBack: { store, guard: () => session.guard(), isControllerGone: goneById({ isNameGone }) },
    lease: { ...lease, mayAck: (nowMs) => session.mayAck(nowMs) },
    network,
    clock,
    random,
    onBug: (error) => die(error),
  });
  return {
    async stop() {
      await session.setState('draining');
      await broker.stop();
      await logs.close();
      await session.close();
      noting.stop();
      await mark.noteDurably();
      mark.close();
      catalogue.close();
    },
  };
}

/** A broker has no events: what it notices about rows goes to the program's log. */
function tellingStore({ store, warn }: Pick<BrokerHome, 'store' | 'warn'>): MetadataStore {
  return noticedStore(store, {
    emit: (kind, reason, about) => warn(`${kind}: row ${about?.['pk']} ${about?.['sk']}: ${reason}`),
  });
}

/** A controller in this very process cannot be an earlier one with our process id. */
function isNameGone(name: string): boolean {
  return name !== controllerName() && isControllerGone(name);
}

function nearlyFullText(volume: string, isFull: boolean): string {
  if (!isFull) return `${volume} has room again: writes are accepted`;
  return `${volume} has less than ${logSettingsDefault.freeBytesFloor >> 20} MiB free: writes are refused until there is room`;
}

/**
 * Records acknowledged between two drops of old log may belong to topics that an earlier copy of the metadata does not know.
 */
function noteNowAndThen(mark: CommitMark, clock: Clock): { stop(): void } {
  const note = (): Timer => {
    mark.note();
    return clock.after(markIntervalMs, () => (timer = note()), 'background');
  };
  let timer = note();
  return { stop: () => timer.cancel() };
}
