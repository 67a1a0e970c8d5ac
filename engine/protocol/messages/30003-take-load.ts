/** TakeLoad (key 30003, Headgate's own): what a broker's logs carried since it was last asked, for placement and scaling. */
import { int32, int64, message, structs, uuid, type Infer } from '../schema.ts';

export const takeLoadRequest = message('TakeLoadRequest', 30003, '0', '0+', {
  /** The busiest are told when there are more. */
  logsMax: int32(),
});
export type TakeLoadRequest = Infer<typeof takeLoadRequest>;

export const takeLoadResponse = message('TakeLoadResponse', 30003, '0', '0+', {
  /** Since the last answer, or the start of the session. */
  elapsedMs: int32(),
  /** Idle ones are left out. */
  logs: structs({
    topicId: uuid('topicId'),
    partition: int32(),
    bytesIn: int64(),
    bytesOut: int64(),
    requests: int32(),
  }),
});
export type TakeLoadResponse = Infer<typeof takeLoadResponse>;
