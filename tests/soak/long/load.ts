/**
 * Steady load over all doors, paced so that an installation is busy but not full: a long run watches it under this
 * load.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CompressionTypes, Kafka, logLevel } from 'kafkajs';
import { WebSocket } from 'ws';
import type { Instance } from '../../../bin/demo/instance.ts';

export const topic = 'long';

export interface LongLoad {
  readonly instance: Instance;
  readonly apiKey: string;
  readonly keyId: string;
  readonly partitions: number;
  /** Of each writer. */
  readonly bytesPerSecond: number;
  readonly signal: AbortSignal;
  readonly counts: { written: number; read: number; failures: Record<string, number> };
}

const valueBytes = 8 * 1024;
const perRequest = 8;
const failurePauseMs = 200;
const reasonCharactersMax = 200;
const reasonsMax = 50;

/** Resolves once the signal has arrived and every client has ended. */
export async function runLoad(load: LongLoad): Promise<void> {
  await Promise.all([
    repeat(load, () => writeHttp(load)),
    repeat(load, () => writeWebSocket(load)),
    repeat(load, () => writeKafka(load)),
    repeat(load, () => readKafka(load)),
    repeat(load, () => readCursor(load)),
  ]);
}

/**
 * A client that fails starts over: the run is about the cost of the installation, and failures are counted by reason.
 */
async function repeat({ signal, counts }: LongLoad, client: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    try {
      await client();
    } catch (error) {
      if (signal.aborted) return;
      const text = String(error).slice(0, reasonCharactersMax);
      const isKnown = text in counts.failures || Object.keys(counts.failures).length < reasonsMax;
      const reason = isKnown ? text : 'others';
      counts.failures[reason] = (counts.failures[reason] ?? 0) + 1;
      await sleep(failurePauseMs);
    }
  }
}

async function paced(load: LongLoad, send: (turn: number) => Promise<number>): Promise<void> {
  const beginMs = performance.now();
  let bytes = 0;
  for (let turn = 0; !load.signal.aborted; turn++) {
    const sent = await send(turn);
    bytes += sent;
    load.counts.written += sent;
    const waitMs = (bytes / load.bytesPerSecond) * 1e3 - (performance.now() - beginMs);
    if (waitMs > 0) await sleep(waitMs);
  }
}

const value = 'v'.repeat(valueBytes);
const authorization = ({ apiKey }: LongLoad): Record<string, string> => ({ authorization: `Bearer ${apiKey}` });

function records(load: LongLoad, turn: number): { value: string; partition: number }[] {
  return Array.from({ length: perRequest }, (_, i) => ({ value, partition: (turn + i) % load.partitions }));
}

function writeHttp(load: LongLoad): Promise<void> {
  return paced(load, async (turn) => {
    const answer = await fetch(`${load.instance.http}/v1/topics/${topic}/records?format=string`, {
      method: 'POST',
      headers: { ...authorization(load), 'content-type': 'application/json' },
      body: JSON.stringify({ records: records(load, turn) }),
      signal: load.signal,
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`produce: ${answer.status} ${text}`);
    return perRequest * valueBytes;
  });
}

async function writeWebSocket(load: LongLoad): Promise<void> {
  const socket = new WebSocket(`${load.instance.http.replace('http', 'ws')}/v1/ws`, { headers: authorization(load) });
  try {
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    await paced(load, (turn) => {
      const answered = new Promise<number>((resolve, reject) => {
        socket.once('message', () => resolve(perRequest * valueBytes));
        socket.once('close', () => reject(new Error('closed')));
      }).finally(() => socket.removeAllListeners('close'));
      socket.send(
        JSON.stringify({ op: 'produce', id: turn + 1, topic, format: 'string', records: records(load, turn) }),
      );
      return answered;
    });
  } finally {
    socket.terminate();
  }
}

function kafkaOf({ instance, keyId, apiKey }: LongLoad): Kafka {
  return new Kafka({
    clientId: 'long-run',
    brokers: [instance.kafka],
    sasl: { mechanism: 'plain', username: keyId, password: apiKey },
    logLevel: logLevel.NOTHING,
  });
}

async function writeKafka(load: LongLoad): Promise<void> {
  const producer = kafkaOf(load).producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  try {
    await paced(load, async (turn) => {
      await producer.send({ topic, acks: -1, compression: CompressionTypes.None, messages: records(load, turn) });
      return perRequest * valueBytes;
    });
  } finally {
    await producer.disconnect();
  }
}

async function readKafka(load: LongLoad): Promise<void> {
  const consumer = kafkaOf(load).consumer({ groupId: 'long-run' });
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachBatch: async ({ batch }) => {
        for (const message of batch.messages) load.counts.read += message.value?.length ?? 0;
      },
    });
    await new Promise((resolve) => load.signal.addEventListener('abort', resolve, { once: true }));
  } finally {
    await consumer.disconnect();
  }
}

/** Reads from the start again and again; the start advances with retention. */
async function readCursor(load: LongLoad): Promise<void> {
  let place = 'from=earliest';
  while (!load.signal.aborted) {
    const url = `${load.instance.http}/v1/topics/${topic}/records?${place}&max_records=500&format=string&wait=1s`;
    const headers = { ...authorization(load), accept: 'application/json' };
    const answer = await fetch(url, { headers, signal: load.signal });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`read: ${answer.status} ${text}`);
    load.counts.read += text.length;
    const { next, up_to_date: isAtEnd } = JSON.parse(text) as { next: string; up_to_date: boolean };
    place = isAtEnd ? 'from=earliest' : `cursor=${next}`;
    if (isAtEnd) await sleep(1_000);
  }
}
