/**
 * `npm run demo`: sends 200,000 flights as a live stream for two tenants with a topic of the same name, a third over each
 * door, and reads them over all three. On the way it kills one broker, and later a whole zone. With `--swing` nothing is
 * killed: the load doubles and halves, and the fleet grows and shrinks by itself. Ends with a table, and with exit code 0
 * only when nothing was lost or leaked, every key kept its order, and the fleet did what it should.
 */
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Flight, readFlights } from './demo/flights.ts';
import { consumeHttp, produceHttp } from './demo/http-door.ts';
import { Instance, type TenantAccess } from './demo/instance.ts';
import { consumeKafka, produceKafka, topic } from './demo/kafka-door.ts';
import { type Door, doors, Ledger } from './demo/ledger.ts';
import { Pace } from './demo/pace.ts';
import { judge, ProgressLine } from './demo/report.ts';
import { swing, swingFlags } from './demo/swing.ts';
import { consumeWebSocket, produceWebSocket } from './demo/websocket-door.ts';

const produce = { kafka: produceKafka, http: produceHttp, websocket: produceWebSocket };
const consume = { kafka: consumeKafka, http: consumeHttp, websocket: consumeWebSocket };

const { values: given } = parseArgs({
  options: {
    swing: { type: 'boolean', default: false },
    flights: { type: 'string' },
    rate: { type: 'string' },
    brokers: { type: 'string' },
    'brokers-max': { type: 'string' },
    'http-server': { type: 'string', default: 'auto' },
    help: { type: 'boolean', default: false },
  },
});

if (given.help) {
  console.log(`npm run demo -- [--flights 200000] [--rate 9000 records a second] [--brokers 6] [--http-server auto|uws|node]
npm run demo -- --swing [--flights 100000] [--rate 1500] [--brokers 3] [--brokers-max 6]
    the load doubles and halves, and the fleet follows; brokers in multiples of three, one per zone`);
  process.exit(0);
}

const usual = given.swing ? { flights: 100_000, rate: 1500, brokers: 3 } : { flights: 200_000, rate: 9000, brokers: 6 };
const flags = {
  isSwing: given.swing,
  flights: Number(given.flights ?? usual.flights),
  rate: Number(given.rate ?? usual.rate),
  brokers: Number(given.brokers ?? usual.brokers),
  brokersMax: Number(given['brokers-max'] ?? 6),
};

interface Run {
  readonly instance: Instance;
  readonly progress: ProgressLine;
  readonly ledgers: readonly Ledger[];
  readonly total: number;
}

/** When the readers are still incomplete this long after the last progress, the rest counts as lost. */
const readersWaitMsMax = 30_000;
const partitions = 12;

async function main(): Promise<number> {
  const progress = new ProgressLine();
  const flights = readFlights(flags.flights);
  progress.say(
    `demo: ${flights.length} flights, ${new Set(flights.map(({ origin }) => origin)).size} airports, starting headgate`,
  );
  const program = fileURLToPath(new URL('./main.js', import.meta.url));
  const instance = await Instance.start({
    program,
    flags: [
      '--brokers',
      String(flags.brokers),
      '--http-server',
      given['http-server'],
      ...(flags.isSwing ? swingFlags(flags.rate, flags.brokers, flags.brokersMax) : []),
    ],
  });
  const stop = (): void => {
    void instance.remove().then(() => process.exit(130));
  };
  process.once('SIGINT', stop);
  try {
    return await stream(instance, progress, flights);
  } catch (error) {
    progress.say(instance.errors.slice(-40).join('\n'));
    throw error;
  } finally {
    process.off('SIGINT', stop);
    await instance.remove();
  }
}

async function stream(instance: Instance, progress: ProgressLine, flights: readonly Flight[]): Promise<number> {
  const tenants = [await instance.tenant('north'), await instance.tenant('south')];
  for (const { clusterId } of tenants) {
    await instance.admin('POST', `/clusters/${clusterId}/topics`, { name: topic, partitions });
  }
  const ledgers = tenants.map(({ name }) => new Ledger(name));
  const run: Run = { instance, progress, ledgers, total: flights.length };
  const reading = new AbortController();
  const sending = new AbortController();
  const readers = tenants.flatMap((tenant, t) =>
    doors.map((door) => consume[door](instance, tenant, ledgers[t]!, reading.signal)),
  );
  const perSecond = flags.rate / (tenants.length * doors.length);
  const pace = new Pace(perSecond, sending.signal);
  const { sent, producers } = startProducers(run, tenants, flights, pace);
  const isSent = (): boolean => acked(run) >= run.total;
  const onTheWay = flags.isSwing
    ? swing({ ...flags, instance, progress, pace, perSecond, brokersMin: flags.brokers, isSent })
    : killOnTheWay(run, sending.signal);
  await Promise.race([Promise.all(producers), Promise.all(readers)]);
  const swings = await onTheWay;
  await readersFinish(run);
  reading.abort();
  sending.abort();
  await Promise.all(readers);
  const verdict = judge(ledgers, sent);
  progress.say(`\n${verdict.text}\n`);
  if (swings) progress.say(`demo: the fleet grew ${swings.grown} times and shrank ${swings.shrunk} times by itself`);
  const followed = !swings || (swings.grown > 0 && swings.shrunk === swings.grown);
  const good = verdict.lost === 0 && verdict.leaked === 0 && verdict.disordered === 0 && followed;
  progress.say(good ? 'demo: nothing lost, nothing leaked, order kept' : 'demo: FAILED');
  return good ? 0 : 1;
}

/** Flights are dealt in turn to tenants and doors: half to each tenant, a third of that over each door. */
function startProducers(
  run: Run,
  tenants: readonly TenantAccess[],
  flights: readonly Flight[],
  pace: Pace,
): { sent: Map<string, number>; producers: Promise<void>[] } {
  const sent = new Map<string, number>();
  const producers = tenants.flatMap((tenant, t) =>
    doors.map((door: Door, d) => {
      const share = flights.filter((_, i) => i % 6 === t * doors.length + d);
      sent.set(`${tenant.name} ${door}`, share.length);
      return produce[door](run.instance, tenant, run.ledgers[t]!, share, pace);
    }),
  );
  return { sent, producers };
}

function acked(run: Run): number {
  return run.ledgers.reduce((sum, ledger) => sum + ledger.ackedTotal(), 0);
}

/** At 40 % kills the broker with the most partitions, at 70 % every broker of another zone. */
async function killOnTheWay(run: Run, signal: AbortSignal): Promise<undefined> {
  const { instance, progress, total } = run;
  await reached(run, 0.4, signal);
  const victim = (await instance.brokers()).toSorted((a, b) => b.partitions - a.partitions)[0]!;
  process.kill(victim.pid, 'SIGKILL');
  progress.say(`demo: SIGKILL to broker ${victim.brokerId} (zone ${victim.zone}, ${victim.partitions} partitions)`);
  await reached(run, 0.7, signal);
  const all = await instance.brokers();
  const zone = all.find((broker) => broker.zone !== victim.zone)!.zone;
  const doomed = all.filter((broker) => broker.zone === zone && broker.pid > 0);
  for (const { pid } of doomed) process.kill(pid, 'SIGKILL');
  progress.say(`demo: SIGKILL to zone ${zone} (brokers ${doomed.map(({ brokerId }) => brokerId).join(', ')})`);
  await reached(run, 1, signal);
  progress.show(`demo: all ${total} produced`);
}

async function reached(run: Run, share: number, signal: AbortSignal): Promise<void> {
  while (acked(run) < run.total * share && !signal.aborted) {
    await sleep(100);
    const read = run.ledgers.flatMap((ledger) => doors.map((door) => ledger.readers.get(door)!.received));
    run.progress.show(`demo: ${acked(run)} of ${run.total} produced, slowest reader at ${Math.min(...read)}`);
  }
}

async function readersFinish(run: Run): Promise<void> {
  let best = -1;
  let sinceMs = Date.now();
  while (!run.ledgers.every((ledger) => doors.every((door) => ledger.isComplete(door)))) {
    const received = run.ledgers.reduce(
      (sum, ledger) => sum + doors.reduce((s, door) => s + ledger.readers.get(door)!.received, 0),
      0,
    );
    if (received > best) {
      best = received;
      sinceMs = Date.now();
    } else if (Date.now() - sinceMs > readersWaitMsMax) return;
    run.progress.show(`demo: ${received} records read`);
    await sleep(200);
  }
}

process.exitCode = await main();
process.exit();
