/**
 * The metadata store of a data folder, for a process that serves it: opened when no stopped process holds its lock, and
 * checked.
 */
import { join } from 'node:path';
import { installationId } from '../../engine/controller/rows/installation.ts';
import { systemClock } from '../../engine/kernel/clock.ts';
import { systemRandom } from '../../engine/kernel/random.ts';
import { installationOf } from '../../infra/disk/volume-owner.ts';
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
  const store = openLmdbStore({ directory: folder.meta, clock, warn: logLine, checksPages: true });
  store.onPanic(endOnPanic);
  lockWatch.start();
  checkNowAndThen(store);
  checkMetadataAge(folder, store, await installationHere(folder, store));
  const addressOf = (brokerId: number): string => brokerSlot(settings, folder, brokerId).address;
  await refuseForeignBrokers({ store, clock, random }, addressOf);
  forgetElsewhere(folder.run);
  return { store, lockWatch };
}

/** Each volume names its installation: a damaged row is written again from them. */
function installationHere({ path }: DataFolder, store: LmdbStore): Promise<string> {
  return installationId({ store, clock: systemClock, random: systemRandom }, () => {
    const installation = installationOf(join(path, 'volumes'));
    if (installation !== undefined)
      logLine(`metadata store: row IDS INSTALLATION was damaged, and is restored from the volumes`);
    return installation;
  });
}

/** Often enough that whatever removes files without a row (an hour after it was first missed) comes later. */
const checkIntervalMs = 30 * 60_000;
const firstCheckMs = 60_000;

/** Looks for rows whose keys have changed. A failure is the store's, which is told of where rows are asked for. */
function checkNowAndThen(store: LmdbStore): void {
  const check = async (): Promise<void> => {
    await store
      .check()
      .catch((failure: Error) => logLine(`metadata store: not all of it can be read: ${failure.message}`));
    systemClock.after(checkIntervalMs, () => void check(), 'background');
  };
  systemClock.after(firstCheckMs, () => void check(), 'background');
}
