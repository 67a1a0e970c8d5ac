import { systemClock } from '../../../engine/kernel/clock.ts';
import { NodeServer } from './server-node.ts';
import { framingSuite } from './framing.suite.ts';
import { roomSuite } from './room.suite.ts';
import { websocketSuite } from './server-websocket.suite.ts';
import { type MakeServer, serverSuite } from './server.suite.ts';

const make: MakeServer = (settings, doors) => Promise.resolve(new NodeServer(settings, doors, systemClock));
serverSuite('node:http', make);
websocketSuite('node:http', make);
framingSuite('node:http', make);
roomSuite('node:http', make, true);
