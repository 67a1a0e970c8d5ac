/**
 * Apache Kafka and Headgate under the same official clients: 1 KiB records, acks=all, batch.size=65536, linger.ms=5, six
 * partitions. Nothing is pinned: each side may use the whole machine while the other is idle. The 'server' CPU is that of
 * all processes of a side. Kafka has one node, which is enough for this. Headgate is measured twice: as `serve` starts it,
 * with a gateway and three brokers, where every client byte crosses two processes; and with its brokers in the gateway
 * (`--broker-mode in-process`), one process like Kafka's node.
 */
import type { Bench, BenchEnvironment, Goal, Measured, Target } from '../compare/bench.ts';
import { type PerfTools, perfTools } from '../load/perf-tools.ts';
import { startApacheKafka } from '../servers/kafka-node.ts';
import { startHeadgate } from '../servers/serve.ts';

interface Side {
  readonly name: string;
  readonly pids: readonly number[];
  readonly tools: PerfTools;
}

interface Sides {
  readonly sides: readonly Side[];
  stop(): Promise<void>;
}

const headgateNames = ['Headgate', 'Headgate in one process'] as const;
const partitions = 6;
const recordsFirst = 50_000;
const recordsMax = 1_000_000;
/** 20 MB/s in records of 1 KiB. */
const pacedRecordsPerSecond = 20_480;
/** How long the client needs until it is compiled: three seconds of the paced run, and about as much of the other. */
const warmUpRecords = 60_000;
/** Enough that the client's cold first second is a small part of the run. */
const readRecords = 1_000_000;
const retention = { 'retention.bytes': String(256 << 20), 'segment.bytes': String(64 << 20) };

async function startSides(environment: BenchEnvironment, durability: 'page-cache' | 'fsync'): Promise<Sides> {
  const { dist } = environment;
  const kafka = await startApacheKafka(dist, environment.folder());
  environment.log('Kafka has started');
  // Kafka syncs a partition's file after each batch; Headgate syncs once for all batches that arrived meanwhile.
  kafka.topic('write', partitions, { ...retention, ...(durability === 'fsync' ? { 'flush.messages': '1' } : {}) });
  kafka.topic('read', partitions, {});
  const kafkaSide = { name: 'Kafka', pids: [kafka.pid], tools: perfTools(dist, environment.folder(), kafka.access) };
  const processes = await startHeadgateSide(environment, headgateNames[0], durability, 'processes');
  const inside = await startHeadgateSide(environment, headgateNames[1], durability, 'in-process');
  environment.log('topics are made');
  return {
    sides: [kafkaSide, processes.side, inside.side],
    async stop() {
      kafka.stop();
      await Promise.all([processes.stop(), inside.stop()]);
    },
  };
}

async function startHeadgateSide(
  environment: BenchEnvironment,
  name: string,
  durability: string,
  brokerMode: string,
): Promise<{ readonly side: Side; stop(): Promise<void> }> {
  const flags = ['--durability', durability, '--broker-mode', brokerMode];
  const headgate = await startHeadgate(environment, flags, false);
  const { instance, processes } = headgate;
  const { HEADGATE_SASL_USERNAME: username, HEADGATE_SASL_PASSWORD: password } = instance.environment;
  await headgate.topic('write', partitions, { 'retention.bytes': retention['retention.bytes'] });
  await headgate.topic('read', partitions);
  const at = { bootstrap: instance.kafka, username: username!, password: password! };
  return {
    side: {
      name,
      pids: [...processes.server, ...processes.brokers],
      tools: perfTools(environment.dist, environment.folder(), at),
    },
    stop: () => headgate.stop(),
  };
}

function target(side: Side, what: string, run: (seconds: number) => Promise<Measured>): Target {
  return { name: `${side.name}, ${what}`, processes: { server: side.pids }, run };
}

/** As many records as the last run would have sent in about the requested time. */
function producing(side: Side): Target {
  let records = recordsFirst;
  return target(side, 'produce', async (seconds) => {
    const measured = await side.tools.produce('write', records, warmUpRecords, -1);
    const fitting = (measured.operations / measured.seconds) * seconds;
    records = Math.round(Math.min(recordsMax, Math.max(recordsFirst, fitting)));
    return measured;
  });
}

function pacing(side: Side): Target {
  return target(side, 'produce at 20 MB/s', (seconds) =>
    side.tools.produce('write', Math.round(pacedRecordsPerSecond * seconds), warmUpRecords, pacedRecordsPerSecond),
  );
}

function consuming(side: Side): Target {
  return target(side, 'consume', () => side.tools.consume('read', readRecords));
}

const goalsOf = (rate: number, cpu: number): readonly Goal[] =>
  headgateNames.flatMap((name) => [
    { target: `${name}, produce`, of: 'rate', atLeast: rate, against: 'Kafka, produce' },
    { target: `${name}, produce`, of: 'server CPU', atMost: cpu, against: 'Kafka, produce' },
    { target: `${name}, produce at 20 MB/s`, of: 'p99', atMost: 1, against: 'Kafka, produce at 20 MB/s' },
  ]);

export const kafkaSideBySide: Bench = {
  name: 'kafka-side-by-side',
  about:
    'ProducerPerformance and ConsumerPerformance of Apache Kafka 4.3.1 against Kafka and against Headgate, both into the page cache',
  unit: 'records',
  goals: [
    ...goalsOf(1.2, 0.7),
    ...headgateNames.map(
      (name): Goal => ({ target: `${name}, consume`, of: 'rate', atLeast: 1, against: 'Kafka, consume' }),
    ),
  ],
  async open(environment) {
    const started = await startSides(environment, 'page-cache');
    const { sides } = started;
    for (const { tools } of sides) await tools.produce('read', readRecords, warmUpRecords, -1);
    return {
      targets: [...sides.map(producing), ...sides.map(pacing), ...sides.map(consuming)],
      stop: () => started.stop(),
    };
  },
};

export const kafkaSideBySideDurable: Bench = {
  name: 'kafka-side-by-side-durable',
  about: 'ProducerPerformance against Kafka with flush.messages=1 and against Headgate with fsync, its default',
  unit: 'records',
  goals: goalsOf(3, 1 / 3),
  async open(environment) {
    const started = await startSides(environment, 'fsync');
    const { sides } = started;
    return { targets: [...sides.map(producing), ...sides.map(pacing)], stop: () => started.stop() };
  },
};
