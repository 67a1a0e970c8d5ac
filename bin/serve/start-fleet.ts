/**
 * Starts the fleet of child processes before anything else of `headgate serve`: the brokers' program loads on one core
 * while gateway and controller load on another, and while the remains of an earlier run are recovered. The processes touch
 * nothing before they have a slot, so no harm is done when this process then finds that another one serves the data folder.
 */
import { assert } from '../../engine/kernel/assert.ts';
import { systemClock } from '../../engine/kernel/clock.ts';
import type { Fleet } from '../../engine/ports.ts';
import { processFleet } from '../../infra/fleet/process.ts';
import { brokerFlags, brokerHome } from './broker-slots.ts';
import type { DataFolder } from '../data-folder.ts';
import { logLine } from './operator-log.ts';
import type { ServeSettings } from './settings.ts';

/** `program`: the script that broker processes run, and its first arguments. */
export function startFleet(settings: ServeSettings, folder: DataFolder, [program, ...first]: readonly string[]): Fleet {
  assert(program !== undefined, 'a process runs a program');
  const fleet = processFleet({
    program,
    clock: systemClock,
    spares: settings.spareBrokers,
    home: brokerHome(folder),
    log: (brokerId, line) => logLine(`broker ${brokerId ?? 'to be'}: ${line}`),
    arguments: [...first, ...brokerFlags(settings, folder)],
  });
  fleet.loadAhead(settings.brokers);
  return fleet;
}
