import { clientSuite } from './client.suite.ts';
import { compressions } from './driver.ts';
import { librdkafkaProgram, programDriver } from './programs.ts';

clientSuite('librdkafka', programDriver(librdkafkaProgram, compressions));
