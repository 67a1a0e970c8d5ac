import { clientSuite } from './client.suite.ts';
import { compressions } from './driver.ts';
import { franzGoProgram, programDriver } from './programs.ts';

clientSuite('franz-go', programDriver(franzGoProgram, compressions));
