/** `npm run fuzz -- --seed N --inputs M [--server uws|node] [--tls]`: as many hostile inputs as one likes, with a summary. Started by bin/setup.mjs. */
import { expect, it } from 'vitest';
import { uwsRefusal } from '../../gateway/http/servers/where-uws-loads.suite.ts';
import { campaign } from './campaign.ts';

const mebi = 1024 * 1024;

function setting(name: string, otherwise: number): number {
  const text = process.env[name];
  return text === undefined ? otherwise : Number(text);
}

it(
  'answers or closes every input, unnoticed by other tenants',
  async () => {
    const seed = setting('HEADGATE_FUZZ_SEED', 1);
    const inputs = setting('HEADGATE_FUZZ_INPUTS', 100_000);
    const say = (line: string): void => void process.stderr.write(`fuzz: ${line}\n`);
    const refused = await uwsRefusal();
    if (refused !== undefined) say(refused);
    const server = process.env['HEADGATE_FUZZ_SERVER'] === 'node' || refused !== undefined ? 'node' : 'uws';
    const tls = process.env['HEADGATE_FUZZ_TLS'] === '1';
    say(`seed ${seed}, ${inputs} inputs, ${server}${tls ? ', TLS' : ''}`);
    const outcome = await campaign({ seed, inputs, stalls: true, target: { server, tls }, say });
    const { report, seconds, corpus, peakBytes, peakGatewayBytes, lastBytes } = outcome;
    for (const [name, count] of [...report.outcomes].sort(([a], [b]) => (a < b ? -1 : 1))) say(`  ${name}: ${count}`);
    for (const finding of report.findings) say(`${finding.door}: ${finding.what}\n  ${finding.sent}`);
    say(
      `seed ${seed}: ${corpus} of the corpus, ${report.total} inputs in ${Math.round(seconds)} s, ` +
        `${report.findings.length} findings; peak memory ${Math.round(peakBytes / mebi)} MiB in four processes ` +
        `(gateway ${Math.round(peakGatewayBytes / mebi)} MiB), ${Math.round(lastBytes / mebi)} MiB at the end; ` +
        `slowest answer to another tenant ${Math.round(outcome.slowestMs)} ms`,
    );
    expect(report.findings).toEqual([]);
    expect(peakBytes).toBeLessThan(2_048 * mebi);
  },
  24 * 3_600_000,
);
