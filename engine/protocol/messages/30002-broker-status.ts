/** BrokerStatus (key 30002, Headgate's own): what an embedded broker currently serves, for placement and metrics. */
import { int32, int64, message, structs, uuid, type Infer } from '../schema.ts';

export const brokerStatusRequest = message('BrokerStatusRequest', 30002, '0', '0+', {});
export type BrokerStatusRequest = Infer<typeof brokerStatusRequest>;

export const brokerStatusResponse = message('BrokerStatusResponse', 30002, '0', '0+', {
  brokerId: int32({ entity: 'node' }),
  sessionEpoch: int32(),
  logs: structs({
    topicId: uuid('topicId'),
    partition: int32(),
    startOffset: int64(),
    endOffset: int64(),
    /** Bytes of record batches between start and end. */
    bytes: int64(),
  }),
  /** Bytes of the write-ahead log that are not rolled up yet. */
  walBytes: int64(),
});
export type BrokerStatusResponse = Infer<typeof brokerStatusResponse>;
