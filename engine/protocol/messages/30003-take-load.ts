/** TakeLoad (key 30003, Headgate's own): the load on a broker's logs since it was last asked, for placement and scaling. */
import { int32, int64, message, structs, uuid, type Infer } from '../schema.ts';

export const takeLoadRequest = message('TakeLoadRequest', 30003, '0', '0+', {
  /** When there are more logs, only the busiest are reported. */
  logsMax: int32(),
});
export type TakeLoadRequest = Infer<typeof takeLoadRequest>;

export const takeLoadResponse = message('TakeLoadResponse', 30003, '0', '0+', {
  /** Time since the last answer, or since the session began. */
  elapsedMs: int32(),
  /** Idle logs are left out. */
  logs: structs({
    topicId: uuid('topicId'),
    partition: int32(),
    bytesIn: int64(),
    bytesOut: int64(),
    requests: int32(),
  }),
});
export type TakeLoadResponse = Infer<typeof takeLoadResponse>;
