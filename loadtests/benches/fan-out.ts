/**
 * One partition to 1,000 subscribers at its tail, 10 records of 256 B a tick, over WebSockets and as event streams, each
 * against uWebSockets.js that sends the same messages from memory.
 */
import type { Bench, BenchEnvironment, Goal, Target } from '../compare/bench.ts';
import {
  compileSink,
  fanOut,
  type Opening,
  recordBytes,
  recordsPerTick,
  recordValue,
  type Sink,
  startSink,
  subscribersOf,
} from '../load/fan-out.ts';
import { startHeadgate, startPublisher } from '../servers/serve.ts';

/** One way of subscribing, and what a subscriber says for it. */
interface Way {
  readonly target: string;
  readonly topic: string;
  readonly opening: (topic: string) => Omit<Opening, 'port'>;
}

const upgrade = {
  Upgrade: 'websocket',
  Connection: 'Upgrade',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version': '13',
};

// All begin at the start of an empty topic: that is the tail, without a race between the subscription and the first record.
const webSocket = (protocol: 'json' | 'bin'): Way['opening'] => {
  return (topic) => ({
    path: '/v1/ws',
    headers: { ...upgrade, 'Sec-WebSocket-Protocol': `headgate.v1.${protocol}` },
    status: 101,
    message: JSON.stringify({ op: 'subscribe', sub: 1, topic, from: 'earliest' }),
  });
};

const eventStream: Way['opening'] = (topic) => ({
  path: `/v1/topics/${topic}/records?from=earliest`,
  headers: { Accept: 'text/event-stream' },
  status: 200,
});

async function open(
  environment: BenchEnvironment,
  yardstick: string,
  plain: Omit<Opening, 'port'>,
  ways: readonly Way[],
): Promise<{ readonly targets: readonly Target[]; stop(): Promise<void> }> {
  const program = compileSink(environment);
  const subscribers = subscribersOf(environment);
  const raw = await startPublisher(environment.dist, recordBytes);
  const rawSink = await startSink(program, subscribers, { port: raw.port, ...plain });
  const headgate = await startHeadgate(environment, ['--durability', 'page-cache']);
  const sinks: Sink[] = [rawSink];
  const targets: Target[] = [
    fanOut(yardstick, subscribers, rawSink, { server: [raw.pid] }, () => {
      raw.publish(recordsPerTick);
      return Promise.resolve();
    }),
  ];
  const port = Number(new URL(headgate.instance.http).port);
  const body = JSON.stringify({ records: Array(recordsPerTick).fill({ value: recordValue }) });
  for (const { target, topic, opening } of ways) {
    await headgate.topic(topic, 1);
    const { headers, ...rest } = opening(topic);
    const sink = await startSink(program, subscribers, { port, ...rest, headers: { ...headgate.headers, ...headers } });
    sinks.push(sink);
    const publish = (): Promise<unknown> =>
      headgate.post(`/v1/topics/${topic}/records`, body, { 'content-type': 'application/json' });
    targets.push(fanOut(target, subscribers, sink, headgate.processes, publish));
  }
  return {
    targets,
    async stop() {
      for (const sink of sinks) sink.stop();
      raw.stop();
      await headgate.stop();
    },
  };
}

const atLeast = (target: string): Goal => ({ target, of: 'rate', atLeast: 0.7 });

export const webSocketFanOut: Bench = {
  name: 'ws-fanout',
  about:
    '1,000 WebSocket subscribers at the tail of one partition, 10 records of 256 B a tick; needs a C compiler (cc)',
  unit: 'deliveries',
  goals: [atLeast('JSON, page cache'), atLeast('binary, page cache')],
  open: (environment) =>
    open(environment, 'uWS publish', { path: '/v1/ws', headers: upgrade, status: 101 }, [
      { target: 'JSON, page cache', topic: 'fanout-json', opening: webSocket('json') },
      { target: 'binary, page cache', topic: 'fanout-bin', opening: webSocket('bin') },
    ]),
};

export const eventStreamFanOut: Bench = {
  name: 'sse-fanout',
  about: '1,000 event streams at the tail of one partition, 10 records of 256 B a tick; needs a C compiler (cc)',
  unit: 'deliveries',
  open: (environment) =>
    open(environment, 'uWS, a tick in one write', { path: '/v1/events', headers: {}, status: 200 }, [
      { target: 'event stream, page cache', topic: 'fanout-events', opening: eventStream },
    ]),
};
