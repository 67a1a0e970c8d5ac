import { clientSuite } from './client.suite.ts';
import { compressions } from './driver.ts';
import { kafkajsProgram, programDriver } from './programs.ts';

clientSuite('kafkajs', programDriver(kafkajsProgram, compressions));
