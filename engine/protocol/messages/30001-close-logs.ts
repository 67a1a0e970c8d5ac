/** CloseLogs (key 30001, Headgate's own): the topic is deleted, so the broker drops these logs and their data. */
import { int16, int32, message, structs, uuid, type Infer } from '../schema.ts';

export const closeLogsRequest = message('CloseLogsRequest', 30001, '0', '0+', {
  logs: structs({ topicId: uuid('topicId'), partition: int32() }),
});
export type CloseLogsRequest = Infer<typeof closeLogsRequest>;

export const closeLogsResponse = message('CloseLogsResponse', 30001, '0', '0+', {
  logs: structs({ topicId: uuid('topicId'), partition: int32(), errorCode: int16() }),
});
export type CloseLogsResponse = Infer<typeof closeLogsResponse>;
