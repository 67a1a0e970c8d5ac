import { whereUwsLoads } from '../http/servers/where-uws-loads.suite.ts';
import { websocketTurnsSuite } from './cluster-turns.suite.ts';
import { websocketDoorSuite } from './door.suite.ts';
import { websocketLimitsSuite } from './limits.suite.ts';

await whereUwsLoads(() => {
  websocketDoorSuite('uws');
  websocketLimitsSuite('uws');
  websocketTurnsSuite('uws');
});
