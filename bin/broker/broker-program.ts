/** What a broker's process runs, as a bundle: broker-main.ts is the same as compiled, start-broker.ts loads this one. */
import { systemDisk } from '../../infra/disk/system-disk.ts';
import { standBy } from './stand-by.ts';

/** Returns at once; the channel to the parent keeps the process alive. */
export function runBrokerProgram(): void {
  standBy(systemDisk);
}
