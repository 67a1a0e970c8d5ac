import { clientSuite } from './client.suite.ts';
import { compressions } from './driver.ts';
import { kafkaPythonProgram, programDriver } from './programs.ts';

clientSuite('kafka-python', programDriver(kafkaPythonProgram, compressions));
