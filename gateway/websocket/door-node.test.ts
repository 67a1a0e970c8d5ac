import { websocketDoorSuite } from './door.suite.ts';

websocketDoorSuite('node');
