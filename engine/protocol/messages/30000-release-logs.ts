/**
 * ReleaseLogs (key 30000, Headgate's own): the broker stops serving these logs and rolls their tails into segments, so that
 * another broker may take over. A log that it does not have counts as released.
 */
import { int16, int32, message, structs, uuid, type Infer } from '../schema.ts';

export const releaseLogsRequest = message('ReleaseLogsRequest', 30000, '0', '0+', {
  logs: structs({
    topicId: uuid('topicId'),
    partition: int32(),
    /** The epoch that is being given up: the broker opens the log again only at a higher one. */
    leaderEpoch: int32({ default: -1 }),
  }),
});
export type ReleaseLogsRequest = Infer<typeof releaseLogsRequest>;

export const releaseLogsResponse = message('ReleaseLogsResponse', 30000, '0', '0+', {
  logs: structs({ topicId: uuid('topicId'), partition: int32(), errorCode: int16() }),
});
export type ReleaseLogsResponse = Infer<typeof releaseLogsResponse>;
