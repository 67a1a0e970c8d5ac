/** `npm run soak`: see docs/durability.md. Exit code 0 only if the history is free of anomalies. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { longRun } from './long/long-run.ts';
import { reportText } from './report.ts';
import { runSoak } from './soak.ts';

const { values: flags } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    kills: { type: 'string', default: '100' },
    brokers: { type: 'string', default: '6' },
    partitions: { type: 'string', default: '12' },
    'pace-ms': { type: 'string', default: '40' },
    'pause-ms': { type: 'string', default: '4000' },
    apart: { type: 'boolean', default: false },
    'stuck-ms': { type: 'string', default: '30000' },
    long: { type: 'string' },
    'kib-per-second': { type: 'string', default: '512' },
    report: { type: 'string', default: '.soak' },
    json: { type: 'string' },
    history: { type: 'string' },
    log: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (flags.help) {
  console.log(
    'npm run soak -- [--seed 1] [--kills 100] [--brokers 6] [--partitions 12] [--pace-ms 40: between two requests of a\n' +
      'writer] [--pause-ms 4000: between two faults, at most] [--stuck-ms 30000: a partition that cannot be written this\n' +
      'long after the last fault is stuck, and a group that commits nothing for so long] [--apart: two gateways and two controllers, each a\n' +
      'process of its own] [--json FILE: the report] [--history FILE: every entry] [--log FILE: what the\n' +
      'installation said]\n' +
      'npm run soak -- --long MINUTES [--brokers 6] [--partitions 12] [--kib-per-second 512: of each of three writers]\n' +
      '[--report .soak: folder of plot and samples]: no faults, retention on; does memory, disk, or anything else grow?',
  );
  process.exit(0);
}

if (flags.long !== undefined) {
  const grown = await longRun({
    program: fileURLToPath(new URL('../../bin/main.js', import.meta.url)),
    minutes: Number(flags.long),
    brokers: Number(flags.brokers),
    partitions: Number(flags.partitions),
    bytesPerSecond: Number(flags['kib-per-second']) * 1024,
    folder: flags.report,
    say: (line) => console.log(`soak: ${line}`),
  });
  process.exit(grown.length === 0 ? 0 : 1);
}

const { report, anomalies, log } = await runSoak({
  program: fileURLToPath(new URL('../../bin/main.js', import.meta.url)),
  seed: Number(flags.seed),
  kills: Number(flags.kills),
  brokers: Number(flags.brokers),
  partitions: Number(flags.partitions),
  ...(flags.apart ? { apart: 2 } : {}),
  paceMs: Number(flags['pace-ms']),
  pauseMsMax: Number(flags['pause-ms']),
  stuckMs: Number(flags['stuck-ms']),
  ...(flags.history === undefined ? {} : { historyFile: flags.history }),
  say: (line) => console.log(`soak: ${line}`),
});
if (flags.log !== undefined) writeFileSync(flags.log, log.join('\n'));
else if (anomalies.length > 0) console.log(log.slice(-100).join('\n'));
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify({ ...report, anomalies }, undefined, 2)}\n`);
console.log(reportText(report, anomalies));
process.exit(anomalies.length === 0 ? 0 : 1);
