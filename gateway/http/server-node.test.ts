import { systemClock } from '../../engine/kernel/clock.ts';
import { NodeServer } from './server-node.ts';
import { serverSuite } from './server.suite.ts';

serverSuite('node:http', (settings, doors) => Promise.resolve(new NodeServer(settings, doors, systemClock)));
