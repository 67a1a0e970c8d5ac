/** Many readers of one topic with long polls and cursors while it is written: each sees every record once, in order. */
import { check } from 'k6';
import exec from 'k6/execution';
import { apiKey, beside, makeTopic, optionsOf, profileSeconds, pressing, runId } from './headgate.ts';
import { Judge, produce, readAll } from './sequences.ts';

const topic = `consume-${runId}`;

export const options = optionsOf({ writers: pressing('write'), readers: beside('read', 5) });

export function setup(): void {
  makeTopic(apiKey, topic, 3);
}

export function write(): void {
  produce(apiKey, topic, `w${exec.vu.idInTest}`, 10);
}

export function read(): void {
  const judge = new Judge();
  const beginMs = Date.now();
  // To the end of the writing, and then until no more records arrive.
  readAll(apiKey, topic, judge, () => false, 5 + (Date.now() - beginMs > profileSeconds * 1000 ? 0 : 2));
  judge.close();
  check(judge, { 'the reader saw records': ({ count }) => count > 0 });
}
