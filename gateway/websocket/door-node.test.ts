import { websocketDoorSuite } from './door.suite.ts';
import { websocketLimitsSuite } from './limits.suite.ts';

websocketDoorSuite('node');
websocketLimitsSuite('node');
