/**
 * The program of a broker that outlives the controller that started it: it serves whether or not a controller is alive, and
 * the next controller adopts it. SIGTERM stops it cleanly. Its command line names its slot and thus identifies it.
 */
import { systemDisk } from '../../infra/disk/system-disk.ts';
import { readBrokerArguments } from './broker-arguments.ts';
import { endOnBug } from './end-at-once.ts';
import { serveBroker } from './serve-broker.ts';

endOnBug();
const serving = serveBroker({ ...readBrokerArguments(true), disk: systemDisk });
process.on('SIGTERM', () => void serving.then((broker) => broker.stop()));
await serving;
