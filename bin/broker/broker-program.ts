/** A broker process's program as a bundle: start-broker.ts loads it; broker-main.ts is the same program as compiled. */
import { systemDisk } from '../../infra/disk/system-disk.ts';
import { standBy } from './stand-by.ts';

/** Returns at once; the channel to the parent keeps the process alive. */
export function runBrokerProgram(): void {
  standBy(systemDisk);
}
