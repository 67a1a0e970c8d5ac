/** docs/kafka-differences.md from the list that the differential test allows. */
import { differences } from './differences.ts';
import { everywhere, undrawn } from './undrawn.ts';

export function differencesPage(): string {
  const head = [
    '# Where Headgate answers other than Apache Kafka',
    '',
    '`npm run differential -- --seed N --steps M` sends the same drawn requests, right ones and wrong ones, in every version that',
    'both serve, to a Headgate and to Apache Kafka 4.3.1, and compares every field of every answer. This page is the whole list',
    'of what may differ; anything else fails the test. It is generated from `tests/differential/differences.ts`',
    '(`npx vitest run tests/differential -u`). What Headgate does not offer at all is in `protocol-support.md`.',
    '',
    '## In any answer',
    '',
    'These say nothing about behaviour, and differ between any two Kafka clusters too.',
    '',
    ...everywhere.map((line) => `- ${line}`),
    '',
    '## In answers of single APIs',
    '',
  ];
  const body = differences.flatMap(({ name, kafka, headgate, reason }) => [
    `### ${name}`,
    '',
    `- Apache Kafka: ${kafka}`,
    `- Headgate: ${headgate}`,
    `- Why: ${reason}`,
    '',
  ]);
  const foot = ['## Not compared', '', ...undrawn.map((line) => `- ${line}`), ''];
  return [...head, ...body, ...foot].join('\n');
}
