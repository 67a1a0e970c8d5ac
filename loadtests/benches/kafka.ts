/** The Kafka door, produce and fetch, over one pipelined connection, against a socket that does nothing with the bytes. */
import type { Bench, BenchEnvironment, Target } from '../compare/bench.ts';
import { type KafkaLoadSpec, startLoad } from '../load/load.ts';
import { type Headgate, type PlainServer, startHeadgate, startServer } from '../servers/serve.ts';

const program = 'kafka-load.js';
const plain: Omit<KafkaLoadSpec, 'mode' | 'host' | 'port' | 'topic'> = {
  partitions: 1,
  depth: 5,
  recordsPerBatch: 63,
  fetchBytes: 1 << 20,
  fromOffset: 0,
  toOffset: 0,
};

function against(headgate: Headgate): Pick<KafkaLoadSpec, 'host' | 'port' | 'username' | 'password'> {
  const { instance } = headgate;
  const [host, port] = instance.kafka.split(':');
  const { HEADGATE_SASL_USERNAME: username, HEADGATE_SASL_PASSWORD: password } = instance.environment;
  return { host: host!, port: Number(port), username: username!, password: password! };
}

export const kafkaProduceSmall: Bench = {
  name: 'kafka-produce-small',
  about:
    'Produce of one record of 1 KiB a request, 64 connections with one request under way each, one partition, acks=all; against a node:net sink of the same frames',
  unit: 'requests',
  async open(environment: BenchEnvironment) {
    const { dist } = environment;
    const sink = await startServer(dist, 'tcp-yardstick.js');
    const cached = await startHeadgate(environment, ['--durability', 'page-cache']);
    const durable = await startHeadgate(environment, ['--durability', 'fsync']);
    const inside = await startHeadgate(environment, ['--durability', 'page-cache', '--broker-mode', 'in-process']);
    for (const server of [cached, durable, inside]) await server.topic('bench', 1);
    const small = { ...plain, mode: 'produce', topic: 'bench', recordsPerBatch: 1, depth: 1 } as const;
    const start = (name: string, target: object, processes: Target['processes']) =>
      startLoad({ name, dist, program, spec: { ...small, connections: 64, ...target }, processes });
    const loads = [
      await start('sink', { host: '127.0.0.1', port: sink.port }, { server: [sink.pid] }),
      await start('page cache', against(cached), cached.processes),
      await start('page cache, in-process', against(inside), inside.processes),
      await start('fsync', against(durable), durable.processes),
    ];
    return { targets: loads.map(({ target }) => target), stop: stopper(loads, [sink], [cached, durable, inside]) };
  },
};

type Load = { readonly target: Target; stop(): void };

function stopper(loads: readonly Load[], servers: readonly PlainServer[], headgates: readonly Headgate[]) {
  return async (): Promise<void> => {
    for (const load of loads) load.stop();
    for (const server of servers) server.stop();
    await Promise.all(headgates.map((headgate) => headgate.stop()));
  };
}

export const kafkaProduce: Bench = {
  name: 'kafka-produce',
  about:
    'Produce over one connection, five requests under way, six partitions, acks=all, 1 KiB records; against a node:net sink of the same frames',
  unit: 'requests',
  goals: [
    { target: '1 MiB requests, page cache', of: 'rate', atLeast: 0.3, against: 'sink, 1 MiB' },
    { target: '64 KiB requests, page cache', of: 'rate', atLeast: 0.2, against: 'sink, 64 KiB' },
  ],
  async open({ dist, ...rest }: BenchEnvironment) {
    const environment = { dist, ...rest };
    const sink = await startServer(dist, 'tcp-yardstick.js');
    const cached = await startHeadgate(environment, ['--durability', 'page-cache']);
    const durable = await startHeadgate(environment, ['--durability', 'fsync']);
    // Old segments are deleted, so that a long run does not fill the disk.
    for (const server of [cached, durable]) await server.topic('bench', 6, { 'retention.bytes': String(64 << 20) });
    const spec = (recordsPerBatch: number) =>
      ({ ...plain, mode: 'produce', topic: 'bench', partitions: 6, recordsPerBatch }) as const;
    const sinkAt = { host: '127.0.0.1', port: sink.port };
    const start = (name: string, target: object, records: number, processes: Target['processes']) =>
      startLoad({ name, dist, program, spec: { ...spec(records), ...target }, processes });
    const big = 1010;
    const loads = [
      await start('sink, 64 KiB', sinkAt, 63, { server: [sink.pid] }),
      await start('64 KiB requests, page cache', against(cached), 63, cached.processes),
      await start('64 KiB requests, fsync', against(durable), 63, durable.processes),
      await start('sink, 1 MiB', sinkAt, big, { server: [sink.pid] }),
      await start('1 MiB requests, page cache', against(cached), big, cached.processes),
    ];
    return { targets: loads.map(({ target }) => target), stop: stopper(loads, [sink], [cached, durable]) };
  },
};

/** Ranges to read, in bytes of records: the tail is in memory, the start has been rolled up into segments. */
const tailBytes = 16 << 20;
const storedBytes = 256 << 20;

export const fetch: Bench = {
  name: 'fetch',
  about:
    'Fetch of 1 MiB at a time, two under way: the tail from memory, the start from segments (in the page cache), against a node:net server that writes a constant buffer',
  unit: 'requests',
  goals: [
    { target: 'tail', of: 'rate', atLeast: 0.45 },
    { target: 'segments', of: 'rate', atLeast: 0.5, against: 'tail' },
  ],
  async open(environment: BenchEnvironment) {
    const { dist } = environment;
    const source = await startServer(dist, 'tcp-yardstick.js', [String((1 << 20) - 8)]);
    const headgate = await startHeadgate(environment, ['--durability', 'page-cache']);
    await headgate.topic('bench', 1);
    const endOffset = await fill(environment, headgate);
    const records = (bytes: number): number => Math.floor(bytes / 1040);
    const spec = { ...plain, mode: 'fetch', topic: 'bench', depth: 2 } as const;
    const loads = [
      await startLoad({
        name: 'constant buffer',
        dist,
        program,
        spec: { ...spec, host: '127.0.0.1', port: source.port },
        processes: { server: [source.pid] },
      }),
      await startLoad({
        name: 'tail',
        dist,
        program,
        spec: { ...spec, ...against(headgate), fromOffset: endOffset - records(tailBytes), toOffset: endOffset },
        processes: headgate.processes,
      }),
      await startLoad({
        name: 'segments',
        dist,
        program,
        spec: { ...spec, ...against(headgate), fromOffset: 0, toOffset: records(storedBytes / 2) },
        processes: headgate.processes,
      }),
    ];
    return { targets: loads.map(({ target }) => target), stop: stopper(loads, [source], [headgate]) };
  },
};

/** Produces until enough is stored; returns the end offset. */
async function fill({ dist }: BenchEnvironment, headgate: Headgate): Promise<number> {
  const load = await startLoad({
    name: 'fill',
    dist,
    program,
    spec: { ...plain, ...against(headgate), mode: 'produce', topic: 'bench' },
    processes: {},
  });
  let bytes = 0;
  let requests = 0;
  while (bytes < storedBytes) {
    const measured = await load.target.run(1);
    bytes += measured.bytes;
    requests += measured.operations;
  }
  load.stop();
  return requests * plain.recordsPerBatch;
}
