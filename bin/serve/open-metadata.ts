/**
 * The metadata store of a data folder, for a process that serves it: opened when no stopped process holds its lock, and
 * checked.
 */
import { installationId } from '../../engine/controller/rows/installation.ts';
import { systemClock } from '../../engine/kernel/clock.ts';
import { systemRandom } from '../../engine/kernel/random.ts';
import { forgetElsewhere } from '../../infra/fleet/notes.ts';
import { type LmdbStore, openLmdbStore } from '../../tenancy/store/lmdb.ts';
import { checkMetadataAge, type DataFolder } from '../data-folder.ts';
import { endOnPanic } from '../broker/end-at-once.ts';
import { brokerSlot } from './broker-slots.ts';
import { endStoppedBrokers } from './end-detached.ts';
import { refuseForeignBrokers } from './foreign-brokers.ts';
import { LockWatch } from './lock-watch.ts';
import { logLine } from './operator-log.ts';
import type { ServeSettings } from './settings.ts';

/** Throws when the existing data must not be served. */
export async function openMetadata(
  settings: ServeSettings,
  folder: DataFolder,
): Promise<{ readonly store: LmdbStore; readonly lockWatch: LockWatch }> {
  const [clock, random] = [systemClock, systemRandom];
  await endStoppedBrokers(folder);
  const lockWatch = new LockWatch({ folder, clock, log: logLine });
  await lockWatch.beforeOpening();
  const store = openLmdbStore({ directory: folder.meta, clock, warn: logLine });
  store.onPanic(endOnPanic);
  lockWatch.start();
  checkMetadataAge(folder, store, await installationId({ store, clock, random }));
  const addressOf = (brokerId: number): string => brokerSlot(settings, folder, brokerId).address;
  await refuseForeignBrokers({ store, clock, random }, addressOf);
  forgetElsewhere(folder.run);
  return { store, lockWatch };
}
