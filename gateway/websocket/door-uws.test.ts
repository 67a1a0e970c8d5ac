import { websocketDoorSuite } from './door.suite.ts';

websocketDoorSuite('uws');
