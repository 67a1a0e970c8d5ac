/**
 * One embedded broker as a process of its own, started by `headgate serve --role all` with an IPC channel. The channel
 * is its lifeline: when the parent is gone the process ends at once, without ceremony, because whoever comes next
 * recovers its log from disk anyway. A 'stop' message is the clean way: roll up, close the session, end.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startBroker } from '../engine/broker/broker.ts';
import { openSession } from '../engine/broker/session.ts';
import { StoreCatalogue } from '../engine/catalogue.ts';
import { systemClock } from '../engine/kernel/clock.ts';
import { systemRandom } from '../engine/kernel/random.ts';
import { directorySegments } from '../engine/log/directory-segments.ts';
import { createLogStore } from '../engine/log/log-store.ts';
import { logSettingsDefault } from '../engine/log/settings.ts';
import type { BrokerSlot } from '../engine/ports.ts';
import { systemDisk } from '../infra/disk/system-disk.ts';
import { socketNetwork } from '../infra/network/socket-network.ts';
import { openLmdbStore } from '../tenancy/store/lmdb.ts';
import { endAtOnce, endOnBug } from './end-at-once.ts';
import { leaseSettings } from './lease-settings.ts';

export interface BrokerProcess {
  readonly slot: BrokerSlot;
  /** The data folder: metadata in meta/, segments in segments/. */
  readonly data: string;
  readonly durability: 'fsync' | 'page-cache';
  readonly leaseMs: number;
}

export async function serveBroker({ slot, data, durability, leaseMs }: BrokerProcess): Promise<void> {
  process.once('disconnect', () => endAtOnce());
  endOnBug();
  const die = (error: unknown): never => {
    process.stderr.write(
      `broker ${slot.brokerId}: ${error instanceof Error ? (error.stack ?? error.message) : error}\n`,
    );
    endAtOnce();
  };
  const clock = systemClock;
  const random = systemRandom;
  const segmentsDirectory = join(data, 'segments');
  mkdirSync(slot.volume, { recursive: true, mode: 0o700 });
  mkdirSync(segmentsDirectory, { recursive: true, mode: 0o700 });
  const store = openLmdbStore({ directory: join(data, 'meta'), clock });
  const session = await openSession({
    store,
    clock,
    random,
    slot,
    pid: process.pid,
    lease: leaseSettings(leaseMs),
    onFenced: (cause) => die(cause),
  });
  const logs = await createLogStore({
    disk: systemDisk,
    store,
    clock,
    random,
    settings: { ...logSettingsDefault, durability },
    brokerId: slot.brokerId,
    sessionEpoch: session.epoch,
    volume: slot.volume,
    segments: directorySegments(systemDisk, segmentsDirectory),
    mayAck: () => session.mayAck(),
    guard: () => session.guard(),
    onFatal: (failure) => die(failure),
  });
  const catalogue = new StoreCatalogue(store, clock);
  await catalogue.start();
  const broker = await startBroker({
    brokerId: slot.brokerId,
    sessionEpoch: session.epoch,
    address: slot.address,
    logs,
    catalogue,
    network: socketNetwork(clock),
    clock,
    random,
    onBug: (error) => die(error),
  });
  process.send?.({ kind: 'serving' });

  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    (async () => {
      await session.setState('draining');
      await broker.stop();
      await logs.close();
      await session.close();
      await store.close();
      process.exit(0);
    })().catch((error: unknown) => die(error));
  };
  process.on('message', (message) => {
    if (message === 'stop') stop();
  });
  // Ctrl-C and a service manager's SIGTERM reach the whole process group. The parent decides when its brokers stop: the
  // doors finish first what the brokers still have to answer.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
}
