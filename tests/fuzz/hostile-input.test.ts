/** Hostile input on every door, in the size of a unit test. `npm run fuzz` runs as much of it as one likes. */
import { expect, it } from 'vitest';
import { uwsRefusal } from '../../gateway/http/servers/where-uws-loads.suite.ts';
import { campaign } from './campaign.ts';

const mebi = 1024 * 1024;

it('answers or closes every input, unnoticed by other tenants', async () => {
  // node:http is what a Headgate has where the other does not load.
  const target = { server: (await uwsRefusal()) === undefined ? 'uws' : 'node', tls: false } as const;
  const { report, peakBytes } = await campaign({ seed: 1, inputs: 2_500, stalls: false, target, say: () => undefined });
  expect(report.findings).toEqual([]);
  expect(report.total).toBeGreaterThanOrEqual(2_500);
  expect(peakBytes).toBeLessThan(2_048 * mebi);
}, 120_000);
