import { produceSuite } from './door.suite.ts';

produceSuite('node');
