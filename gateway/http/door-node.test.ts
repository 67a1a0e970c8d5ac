import { bodyMemorySuite } from './body-memory.suite.ts';
import { clusterTurnsSuite } from './cluster-turns.suite.ts';
import { consumeSuite } from './consume.suite.ts';
import { hardReadsSuite } from './hard-reads.suite.ts';
import { produceSuite } from './door.suite.ts';
import { eventStreamSuite } from './event-stream.suite.ts';

produceSuite('node');
consumeSuite('node');
eventStreamSuite('node');
bodyMemorySuite('node');
hardReadsSuite('node');
clusterTurnsSuite('node');
