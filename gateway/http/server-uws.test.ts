import { UwsServer, loadUws } from './server-uws.ts';
import { serverSuite } from './server.suite.ts';

serverSuite(
  'uWebSockets.js',
  async (settings, doors) => new UwsServer(await loadUws(settings.headerBytesMax), settings, doors),
);
