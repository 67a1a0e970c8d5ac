import { websocketTurnsSuite } from './cluster-turns.suite.ts';
import { websocketDoorSuite } from './door.suite.ts';
import { websocketLimitsSuite } from './limits.suite.ts';

websocketDoorSuite('node');
websocketLimitsSuite('node');
websocketTurnsSuite('node');
