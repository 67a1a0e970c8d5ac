/** The cost of idleness: resident memory per open partition in brokers and gateway, and per connection of each door. */
import { connect, type Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { Bench, BenchEnvironment, Fact } from '../compare/bench.ts';
import { residentBytes } from '../compare/cpu.ts';
import { collectGarbage, inspectable } from '../compare/profile.ts';
import { openInspector } from '../compare/profile-targets.ts';
import { frameHeaderBytes, loginFault, loginFrames } from '../load/kafka-frames.ts';
import { type Headgate, startHeadgate } from '../servers/serve.ts';

const partitionsPerTopic = 100;

/** Measured after memory has stopped growing: set-up garbage is collected when the process next needs room. */
async function settledBytes(pids: readonly number[]): Promise<number> {
  let last = Number.POSITIVE_INFINITY;
  for (let looks = 0; looks < 20; looks++) {
    const now = pids.reduce((sum, pid) => sum + residentBytes(pid), 0);
    if (Math.abs(now - last) < 256 * 1024) return now;
    last = now;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  return last;
}

async function partitionFacts(headgate: Headgate, topics: number): Promise<Fact[]> {
  const { server, brokers } = headgate.processes;
  // One topic first, so that the code that all of them run is compiled and counted on neither side.
  await makeWritten(headgate, 'warm');
  const before = { gateway: await settledBytes(server), brokers: await settledBytes(brokers) };
  for (let i = 0; i < topics; i++) await makeWritten(headgate, `idle-${i}`);
  const partitions = topics * partitionsPerTopic;
  const after = { gateway: await settledBytes(server), brokers: await settledBytes(brokers) };
  return [
    {
      name: `brokers, per partition of ${partitions} written once`,
      value: (after.brokers - before.brokers) / partitions / 1024,
      unit: 'KiB',
    },
    {
      name: `gateway, per partition of ${partitions} written once`,
      value: (after.gateway - before.gateway) / partitions / 1024,
      unit: 'KiB',
    },
  ];
}

/** A topic with one record in every partition, so that every log is open. */
async function makeWritten(headgate: Headgate, name: string): Promise<void> {
  await headgate.topic(name, partitionsPerTopic);
  const records = Array.from({ length: partitionsPerTopic }, (_, partition) => ({ partition, value: 'idle' }));
  await headgate.post(`/v1/topics/${name}/records`, JSON.stringify({ records }), {
    'content-type': 'application/json',
  });
}

/** Opens one idle connection of a door. */
type Open = (headgate: Headgate) => Promise<{ close(): void }>;

const doors: readonly { readonly name: string; readonly open: Open }[] = [
  {
    name: 'Kafka, before login',
    open: ({ instance }) => {
      const [host, port] = instance.kafka.split(':');
      return openSocket(host!, Number(port));
    },
  },
  { name: 'Kafka, logged in', open: ({ instance }) => openLoggedIn(instance.kafka, instance.environment) },
  {
    name: 'HTTP, keep-alive',
    open: ({ instance }) => openSocket('127.0.0.1', Number(new URL(instance.http).port)),
  },
  {
    name: 'WebSocket with one subscription',
    open: ({ instance, headers }) => openSubscriber(instance.http, headers),
  },
];

/**
 * Starts a separate gateway for each door: pages left behind by an earlier door's connections would be reused and make the
 * next door look as if it cost nothing, or less.
 */
async function connectionFact(environment: BenchEnvironment, name: string, open: Open): Promise<Fact> {
  const headgate = await startHeadgate(environment, []);
  try {
    await headgate.topic('idle', 1);
    const { server } = headgate.processes;
    // The garbage of accepting is freed when the process next needs room, and says nothing about the memory that is held.
    const inspectors = await Promise.all(server.map(openInspector));
    const heldBytes = async (): Promise<number> => {
      for (const inspector of inspectors) await collectGarbage(inspector);
      return settledBytes(server);
    };
    const held: { close(): void }[] = [];
    const openMore = async (count: number): Promise<void> => {
      for (const end = held.length + count; held.length < end; )
        held.push(...(await Promise.all(Array.from({ length: 100 }, () => open(headgate)))));
    };
    const count = Math.max(200, Math.round(4_000 * environment.scale));
    // Enough that tables have grown and code is compiled before the first measurement.
    await openMore(Math.max(200, count / 4));
    const before = await heldBytes();
    await openMore(count);
    const after = await heldBytes();
    for (const connection of held) connection.close();
    return { name: `${name}, of ${count}`, value: (after - before) / count / 1024, unit: 'KiB' };
  } finally {
    await headgate.stop();
  }
}

export const idlePartitionMemory: Bench = {
  name: 'idle-partition-memory',
  about: 'Anonymous resident memory that grows with open partitions; goal: at most 64 KiB each',
  unit: 'partitions',
  async facts(environment: BenchEnvironment) {
    const headgate = await startHeadgate(environment, []);
    try {
      return await partitionFacts(headgate, Math.max(2, Math.round(30 * environment.scale)));
    } finally {
      await headgate.stop();
    }
  },
};

export const idleConnectionMemory: Bench = {
  name: 'idle-connection-memory',
  about:
    'Anonymous resident memory of the gateway that grows with connections that say nothing, garbage collected; goal: at most 5 KB each',
  unit: 'connections',
  async facts(environment: BenchEnvironment) {
    process.env['NODE_OPTIONS'] = `${process.env['NODE_OPTIONS'] ?? ''} ${inspectable}`;
    const facts: Fact[] = [];
    for (const { name, open } of doors) facts.push(await connectionFact(environment, name, open));
    return facts;
  },
};

function openSocket(host: string, port: number): Promise<{ close(): void }> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(port, host, () => resolve({ close: () => socket.destroy() }));
    socket.on('error', reject);
  });
}

/** The state of a client just after its login, before any request. */
async function openLoggedIn(
  at: string,
  { HEADGATE_SASL_USERNAME: username, HEADGATE_SASL_PASSWORD: password }: Readonly<Record<string, string>>,
): Promise<{ close(): void }> {
  const [host, port] = at.split(':');
  const socket = connect(Number(port), host!);
  const next = (): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      socket.once('data', resolve);
      socket.once('error', reject);
    });
  const [handshake, authenticate] = loginFrames(username!, password!);
  socket.write(handshake);
  await next();
  socket.write(authenticate);
  const fault = loginFault((await next()).subarray(frameHeaderBytes));
  if (fault !== undefined) throw new Error(fault);
  return { close: () => socket.destroy() };
}

function openSubscriber(url: string, headers: Readonly<Record<string, string>>): Promise<{ close(): void }> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/v1/ws`, { headers });
    socket.once('open', () => socket.send(JSON.stringify({ op: 'subscribe', id: 1, sub: 1, topic: 'idle' })));
    socket.once('message', () => resolve({ close: () => socket.terminate() }));
    socket.on('error', reject);
  });
}
