/**
 * The program of a broker that outlives the controller that started it: it serves whether or not a controller is alive,
 * and the next one adopts it. SIGTERM is the clean end. Its slot stands on its command line, by which it is known.
 */
import { parseArgs } from 'node:util';
import { systemDisk } from '../infra/disk/system-disk.ts';
import { endOnBug } from './end-at-once.ts';
import { serveBroker } from './serve-broker.ts';

const names = [
  'data',
  'durability',
  'lease-ms',
  'segments',
  'segments-endpoint',
  'scrub-mib-per-second',
  'brokers',
  'broker-id',
  'zone',
  'volume',
  'address',
] as const;

endOnBug();
const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]));
const given = parseArgs({ options }).values;
const text = (name: (typeof names)[number]): string => {
  const value = given[name];
  if (typeof value === 'string') return value;
  process.stderr.write(`detached-broker is started by \`headgate serve --role controller\`: --${name} is missing\n`);
  process.exit(1);
};
const slot = {
  brokerId: Number(text('broker-id')),
  zone: text('zone'),
  volume: text('volume'),
  address: text('address'),
};
const serving = serveBroker({
  slot,
  disk: systemDisk,
  data: text('data'),
  durability: text('durability') as 'fsync' | 'page-cache',
  leaseMs: Number(text('lease-ms')),
  segments: text('segments'),
  segmentsEndpoint: text('segments-endpoint'),
  scrubMebibytesPerSecond: Number(text('scrub-mib-per-second')),
  brokers: Number(text('brokers')),
});
process.on('SIGTERM', () => void serving.then((broker) => broker.stop()));
await serving;
