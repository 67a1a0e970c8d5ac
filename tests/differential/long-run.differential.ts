/** `npm run differential -- --seed N --steps M`: as many steps as one likes. Started by bin/setup.mjs. */
import { expect, it } from 'vitest';
import { campaign } from './campaign.ts';

function setting(name: string, otherwise: number): number {
  const text = process.env[name];
  return text === undefined ? otherwise : Number(text);
}

const findingsMax = 25;

it(
  'answers as Apache Kafka does',
  async () => {
    const seed = setting('HEADGATE_DIFFERENTIAL_SEED', 1);
    const steps = setting('HEADGATE_DIFFERENTIAL_STEPS', 2_000);
    const say = (line: string): void => void process.stderr.write(`differential: ${line}\n`);
    const beginMs = performance.now();
    const outcome = await campaign({
      seed,
      steps,
      findingsMax,
      goesOn: process.env['HEADGATE_DIFFERENTIAL_GOES_ON'] === 'true',
      say,
    });
    for (const [name, count] of [...outcome.asked].sort(([a], [b]) => (a < b ? -1 : 1))) say(`  ${name}: ${count}`);
    const seconds = Math.round((performance.now() - beginMs) / 1000);
    say(`seed ${seed}: ${outcome.steps} requests to each side in ${seconds} s, ${outcome.findings.length} findings`);
    expect(outcome.findings.length).toBe(0);
  },
  24 * 3_600_000,
);
