/** Produces over HTTP from many writers, then reads everything back: each acknowledged record is there, once, in order. */
import { check } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import { apiKey, bearer, httpUrl, makeTopic, optionsOf, pressing, runId } from './headgate.ts';
import { Judge, produce, readAll } from './sequences.ts';

const topic = `produce-${runId}`;

export const options = optionsOf({ writers: pressing('write') });

export function setup(): void {
  makeTopic(apiKey, topic, 6);
}

export function write(): void {
  produce(apiKey, topic, `w${exec.vu.idInTest}`, 20);
}

interface Watermarks {
  readonly partitions: readonly { readonly end_offset: number }[];
}

export function teardown(): void {
  const answer = http.get(`${httpUrl}/v1/topics/${topic}`, { headers: bearer(apiKey) });
  const { partitions } = answer.json() as unknown as Watermarks;
  const stored = partitions.reduce((sum, { end_offset }) => sum + end_offset, 0);
  const judge = new Judge();
  readAll(apiKey, topic, judge, (count) => count >= stored);
  judge.close();
  check(judge, { 'every stored record was read': ({ count }) => count === stored && count > 0 });
}
