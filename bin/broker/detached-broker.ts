/**
 * The program of a broker that outlives the controller that started it: it serves whether or not a controller is alive,
 * and the next one adopts it. SIGTERM is the clean end. Its slot stands on its command line, by which it is known.
 */
import { systemDisk } from '../../infra/disk/system-disk.ts';
import { readBrokerArguments } from './broker-arguments.ts';
import { endOnBug } from './end-at-once.ts';
import { serveBroker } from './serve-broker.ts';

endOnBug();
const serving = serveBroker({ ...readBrokerArguments(true), disk: systemDisk });
process.on('SIGTERM', () => void serving.then((broker) => broker.stop()));
await serving;
