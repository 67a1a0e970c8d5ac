/** One embedded broker as a process of its own, from opening its session to its clean stop. */
import { join } from 'node:path';
import { systemClock } from '../../engine/kernel/clock.ts';
import type { BrokerSlot, Disk } from '../../engine/ports.ts';
import { socketNetwork } from '../../infra/network/socket-network.ts';
import { openSegments, type SegmentsSettings } from '../../infra/segments/open-segments.ts';
import { openLmdbStore } from '../../tenancy/store/lmdb.ts';
import { endAtOnce } from './end-at-once.ts';
import { runBroker, scrubBytesPerSecond } from './run-broker.ts';

export interface BrokerProcess extends SegmentsSettings {
  readonly slot: BrokerSlot;
  readonly disk: Disk;
  /** The data folder: metadata in meta/, segments in segments/. */
  readonly data: string;
  readonly durability: 'fsync' | 'page-cache';
  readonly leaseMs: number;
  readonly scrubMebibytesPerSecond: number;
}

/** Resolves when it serves. Bugs, a lost session and a failed disk end the process. */
export async function serveBroker(parts: BrokerProcess): Promise<{ stop(): void }> {
  const { slot, disk, data, durability, leaseMs } = parts;
  const die = (error: unknown): never => {
    process.stderr.write(
      `broker ${slot.brokerId}: ${error instanceof Error ? (error.stack ?? error.message) : error}\n`,
    );
    endAtOnce();
  };
  const directory = join(data, 'segments');
  const warn = (text: string): void => void process.stderr.write(`${text}\n`);
  const { segments } = await openSegments(parts, { disk, directory }, systemClock, warn, 'warns');
  const store = openLmdbStore({ directory: join(data, 'meta'), clock: systemClock, warn });
  store.onPanic((reason) => die(new Error(reason)));
  const broker = await runBroker({
    slot,
    disk,
    segments,
    scrubBytesPerSecondMax: scrubBytesPerSecond(parts.scrubMebibytesPerSecond),
    durability,
    leaseMs,
    store,
    network: socketNetwork(systemClock),
    warn,
    die,
  });
  let stopping = false;
  return {
    stop() {
      if (stopping) return;
      stopping = true;
      (async () => {
        await broker.stop();
        await store.close();
        process.exit(0);
      })().catch((error: unknown) => die(error));
    },
  };
}
