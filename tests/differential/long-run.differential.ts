/** `npm run differential -- --seed N --steps M`: as many steps as one likes. Started by bin/setup.mjs. */
import { expect, it } from 'vitest';
import { apiByKey } from '../../engine/protocol/apis.ts';
import { servedVersions } from '../../engine/protocol/versions.ts';
import { campaign, groupRulesOfBoth } from './campaign.ts';

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
    for (const { key, min, max } of servedVersions.values()) {
      const versions = outcome.asked.get(key) ?? new Map<number, number>();
      const count = [...versions.values()].reduce((sum, each) => sum + each, 0);
      const unasked = Array.from({ length: max - min + 1 }, (_, i) => min + i).filter((each) => !versions.has(each));
      say(
        `  ${apiByKey.get(key)!.name}: ${count}${unasked.length > 0 ? `, none in version ${unasked.join(', ')}` : ''}`,
      );
    }
    const seconds = Math.round((performance.now() - beginMs) / 1000);
    say(`seed ${seed}: ${outcome.steps} requests to each side in ${seconds} s, ${outcome.findings.length} findings`);
    expect(outcome.findings.length).toBe(0);
  },
  24 * 3_600_000,
);

it('takes groups through time as Apache Kafka does', async () => {
  const { kafka, headgate } = await groupRulesOfBoth((line) => void process.stderr.write(`differential: ${line}\n`));
  expect(Object.values(kafka).flat().length).toBeGreaterThan(50);
  expect(headgate).toEqual(kafka);
}, 300_000);
