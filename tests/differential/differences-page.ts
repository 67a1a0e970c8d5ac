/** Writes docs/kafka-differences.md from the list of differences that the differential test allows. */
import { differences } from './differences.ts';
import { everywhere, undrawn, undrawnDifferences } from './undrawn.ts';

export function differencesPage(): string {
  const head = [
    '# Where Headgate answers other than Apache Kafka',
    '',
    '`npm run differential -- --seed N --steps M` sends the same random requests, valid and invalid, in every version that both',
    'serve, to Headgate and to Apache Kafka 4.3.1, and compares every field of every answer. This page lists every difference',
    'that the test allows; any other difference fails it. The page is generated from `tests/differential/differences.ts` and',
    '`undrawn.ts` (`npx vitest run tests/differential -u`). [Protocol support](protocol-support.md) lists what Headgate does not',
    'offer at all.',
    '',
    '## In every answer',
    '',
    'These fields also differ between any two Kafka clusters. The test does not compare them, or not literally.',
    '',
    ...everywhere.map((line) => `- ${line}`),
    '',
    '## In the answers of single APIs',
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
  const foot = [
    '## Known differences that the test never draws',
    '',
    ...undrawnDifferences.map((line) => `- ${line}`),
    '',
    '## Not compared',
    '',
    ...undrawn.map((line) => `- ${line}`),
    '',
  ];
  return [...head, ...body, ...foot].join('\n');
}
