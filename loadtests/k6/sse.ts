/**
 * Server-sent events. k6 delivers a response only when it has ended, so the stream is ended from outside: the reader's key
 * is revoked when the writing is done, which ends its streams at once. The events sent until then are judged, and a second
 * reader with another key continues after the last event's id.
 */
import { check, sleep } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import {
  type Access,
  bearer,
  beside,
  failedRequests,
  httpUrl,
  makeKey,
  makeTenant,
  makeTopic,
  optionsOf,
  pressing,
  profileSeconds,
  revokeKey,
  runId,
} from './headgate.ts';
import { Judge, type Letter, produce, readAll } from './sequences.ts';

const topic = `sse-${runId}`;

interface Keys {
  readonly writer: Access;
  readonly first: Access;
}

export const options = optionsOf({ writers: pressing('write'), reader: beside('read'), ender: beside('end') });

export function setup(): Keys {
  const writer = makeTenant(`sse-${runId}`);
  makeTopic(writer.apiKey, topic, 2);
  return { writer, first: makeKey(writer.clusterId) };
}

export function write({ writer }: Keys): void {
  produce(writer.apiKey, topic, `w${exec.vu.idInTest}`, 10);
}

export function end({ first }: Keys): void {
  sleep(profileSeconds / 2);
  revokeKey(first);
}

export function read({ writer, first }: Keys): void {
  const judge = new Judge();
  const answer = http.get(`${httpUrl}/v1/topics/${topic}/records?from=earliest`, {
    headers: { ...bearer(first.apiKey), Accept: 'text/event-stream' },
    timeout: `${profileSeconds + 30}s`,
  });
  failedRequests.add(answer.status !== 200);
  let lastId = '';
  // An event cut off by the end of the stream has no empty line after it and does not count.
  const events = String(answer.body).split('\n\n').slice(0, -1);
  for (const event of events) {
    const data = /^data: ?(.*)$/m.exec(event)?.[1];
    const id = /^id: ?(.*)$/m.exec(event)?.[1];
    if (data === undefined) continue;
    const record = JSON.parse(data) as { value?: Letter };
    if (record.value === undefined) continue;
    judge.take(record.value);
    if (id) lastId = id;
  }
  const streamed = judge.count;
  check(judge, { 'the stream carried records': ({ count }) => count > 0 });
  readAll(writer.apiKey, topic, judge, () => false, 7, `cursor=${encodeURIComponent(lastId)}`);
  judge.close();
  check(judge, { 'the rest came behind the last event id': ({ count }) => count > streamed });
}
