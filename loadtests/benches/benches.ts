/** Every bench, in the order of a full run. */
import type { Bench } from '../compare/bench.ts';
import { addBroker } from './add-broker.ts';
import { codec, crc, recordsEncode } from './codec.ts';
import { eventStreamFanOut, webSocketFanOut } from './fan-out.ts';
import { httpProduce, httpProduceMany } from './http-produce.ts';
import { httpRead } from './http-read.ts';
import { httpRivals } from './http-rivals.ts';
import { fetch, kafkaProduce, kafkaProduceSmall } from './kafka.ts';
import { kafkaSideBySide, kafkaSideBySideDurable } from './kafka-side-by-side.ts';
import { killToWritable, zoneLossToWritable } from './kill-to-writable.ts';
import { idleConnectionMemory, idlePartitionMemory } from './memory.ts';
import { planner } from './planner.ts';
import { rollingRestart } from './rolling-restart.ts';
import { storage } from './storage.ts';
import { wal } from './wal.ts';
import { webSocketProduce } from './web-socket-produce.ts';

export const benches: readonly Bench[] = [
  httpProduce,
  httpProduceMany,
  httpRead,
  httpRivals,
  kafkaProduce,
  kafkaProduceSmall,
  fetch,
  webSocketProduce,
  webSocketFanOut,
  eventStreamFanOut,
  kafkaSideBySide,
  kafkaSideBySideDurable,
  wal,
  storage,
  killToWritable,
  zoneLossToWritable,
  rollingRestart,
  addBroker,
  idlePartitionMemory,
  idleConnectionMemory,
  codec,
  crc,
  recordsEncode,
  planner,
];
