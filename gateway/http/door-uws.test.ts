import { bodyMemorySuite } from './body-memory.suite.ts';
import { consumeSuite } from './consume.suite.ts';
import { produceSuite } from './door.suite.ts';

produceSuite('uws');
consumeSuite('uws');
bodyMemorySuite('uws');
