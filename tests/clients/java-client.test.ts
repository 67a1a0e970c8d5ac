import { clientSuite } from './client.suite.ts';
import { compressions } from './driver.ts';
import { javaClientProgram, programDriver } from './programs.ts';

clientSuite('java-client', programDriver(javaClientProgram, compressions));
