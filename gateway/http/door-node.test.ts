import { consumeSuite } from './consume.suite.ts';
import { produceSuite } from './door.suite.ts';

produceSuite('node');
consumeSuite('node');
