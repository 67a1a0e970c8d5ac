/**
 * One embedded broker as a process of its own, started by `headgate serve --role all` with an IPC channel. The channel
 * is its lifeline: when the parent is gone the process ends at once, without ceremony, because whoever comes next
 * recovers its log from disk anyway. A 'stop' message is the clean way: roll up, close the session, end.
 */
import { join } from 'node:path';
import { systemClock } from '../engine/kernel/clock.ts';
import type { BrokerSlot } from '../engine/ports.ts';
import { socketNetwork } from '../infra/network/socket-network.ts';
import { openLmdbStore } from '../tenancy/store/lmdb.ts';
import { endAtOnce, endOnBug } from './end-at-once.ts';
import { runBroker } from './run-broker.ts';

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
  const store = openLmdbStore({ directory: join(data, 'meta'), clock: systemClock });
  const broker = await runBroker({
    slot,
    segmentsDirectory: join(data, 'segments'),
    durability,
    leaseMs,
    store,
    network: socketNetwork(systemClock),
    die,
  });
  process.send?.({ kind: 'serving' });

  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    (async () => {
      await broker.stop();
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
