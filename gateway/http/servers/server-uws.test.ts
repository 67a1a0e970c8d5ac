import { systemClock } from '../../../engine/kernel/clock.ts';
import { UwsServer, loadUws } from './server-uws.ts';
import { framingSuite } from './framing.suite.ts';
import { roomSuite } from './room.suite.ts';
import { websocketSuite } from './server-websocket.suite.ts';
import { type MakeServer, serverSuite } from './server.suite.ts';
import { whereUwsLoads } from './where-uws-loads.suite.ts';

const make: MakeServer = async (settings, doors) => {
  const uws = await loadUws(settings.headerBytesMax);
  return new UwsServer(uws, settings, doors, systemClock);
};
await whereUwsLoads(() => {
  serverSuite('uWebSockets.js', make);
  websocketSuite('uWebSockets.js', make);
  framingSuite('uWebSockets.js', make);
  roomSuite('uWebSockets.js', make, false);
});
