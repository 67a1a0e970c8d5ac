import { systemClock } from '../../engine/kernel/clock.ts';
import { UwsServer, loadUws } from './server-uws.ts';
import { serverSuite } from './server.suite.ts';

serverSuite('uWebSockets.js', async (settings, doors) => {
  const uws = await loadUws(settings.headerBytesMax);
  return new UwsServer(uws, settings, doors, systemClock);
});
