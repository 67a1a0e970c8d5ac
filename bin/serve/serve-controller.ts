/**
 * `headgate serve --role controller`: no doors, only decisions. Any number of them over one data folder share the shards;
 * one keeps the fleet. Its brokers outlive it, and the next controller adopts them.
 */
import { systemClock } from '../../engine/kernel/clock.ts';
import { assembleController } from './assemble-engine.ts';
import { openMetadata } from './open-metadata.ts';
import { checkFormat, checkMetadata, openDataFolder } from '../data-folder.ts';
import { shareDataFolder } from '../data-folder-lock.ts';
import { endOnBug } from '../broker/end-at-once.ts';
import { logLine } from './operator-log.ts';
import type { ServeSettings } from './settings.ts';
import { onStopSignal } from './stop-signal.ts';

const stayMs = 3_600_000;

export async function serveController(settings: ServeSettings): Promise<void> {
  endOnBug();
  const folder = openDataFolder(settings.data);
  const lock = await shareDataFolder(folder);
  checkFormat(folder);
  checkMetadata(folder);
  const { store } = await openMetadata(settings, folder);
  const assembled = await assembleController(settings, folder, store, logLine);
  onStopSignal(async () => {
    await assembled.stop();
    await store.close();
    lock.close();
  });
  // Its timers are background timers, which do not keep the process alive.
  const stay = (): void => void systemClock.after(stayMs, stay);
  stay();
  await assembled.controller.start();
  process.stdout.write(`Headgate controller ${assembled.controller.controllerId} is running\n`);
}
