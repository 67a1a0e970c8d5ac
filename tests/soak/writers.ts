/**
 * The soak's producers. Over HTTP and WebSocket a value is sent once, whatever its outcome; kafkajs repeats by itself,
 * with or without a sequence.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CompressionTypes, Kafka, logLevel, type Producer } from 'kafkajs';
import { WebSocket } from 'ws';
import type { Downtime } from './downtime.ts';
import { parseValue, valueText } from './history.ts';
import { hadNoEffect, HttpClient } from './http-client.ts';
import type { Recorder, Values } from './recorder.ts';
import { type Places, type Site, topic } from './site.ts';

export interface Load {
  readonly site: Site;
  readonly recorder: Recorder;
  readonly downtime: Downtime;
  readonly partitions: number;
  /** Between two requests of a writer. */
  readonly paceMs: number;
  readonly signal: AbortSignal;
}

const failurePauseMs = 20;

/** A serial writer whose answers are the probe of the partition: single records and JSON alternate. */
export async function writeHttp(load: Load, partition: number): Promise<void> {
  const { recorder, site, downtime, paceMs, signal } = load;
  const values = recorder.producer('once', 'http');
  const client = new HttpClient(site.places().http, site.access.apiKey);
  for (let turn = 0; !signal.aborted; turn++) {
    downtime.probes(partition, client.base);
    const batch = values.take(turn % 8 === 7 ? 4 : 1);
    recorder.add({ kind: 'sent', partition, values: batch });
    const sentAtMs = performance.now();
    try {
      const answer = await sendHttp(client, partition, batch);
      if (answer.kind === 'acked') {
        const what = downtime.acked(partition, sentAtMs, performance.now());
        if (what !== undefined) recorder.add({ kind: 'writable', what });
        recorder.add({ kind: 'acked', partition, base: answer.base, values: batch });
      } else if (answer.kind === 'refused') recorder.add({ kind: 'refused', partition, values: batch });
      await sleep(answer.kind === 'acked' ? paceMs : failurePauseMs);
    } catch {
      await sleep(failurePauseMs);
    }
  }
  client.close();
}

type Outcome = { readonly kind: 'acked'; readonly base: number } | { readonly kind: 'refused' | 'unknown' };

interface ProduceResults {
  readonly results?: readonly { readonly offset?: number; readonly error?: { readonly side_effects?: string } }[];
  readonly side_effects?: string;
}

async function sendHttp(client: HttpClient, partition: number, batch: readonly number[]): Promise<Outcome> {
  if (batch.length === 1) {
    const headers = { 'record-partition': String(partition), 'content-type': 'application/octet-stream' };
    const { status, body } = await client.ask('POST', `/v1/topics/${topic}`, headers, valueText(batch[0]!));
    const answer = JSON.parse(body) as { offset?: number; side_effects?: string };
    if (status === 200) return { kind: 'acked', base: answer.offset! };
    return { kind: hadNoEffect(answer) ? 'refused' : 'unknown' };
  }
  const records = batch.map((value) => ({ value: valueText(value), partition }));
  const { status, body } = await client.ask(
    'POST',
    `/v1/topics/${topic}/records?format=string`,
    { 'content-type': 'application/json' },
    JSON.stringify({ records }),
  );
  return outcomeOf(JSON.parse(body) as ProduceResults, status === 200);
}

/** Records of one partition in one request share their fate. */
function outcomeOf(answer: ProduceResults, isStored: boolean): Outcome {
  if (isStored) return { kind: 'acked', base: answer.results![0]!.offset! };
  const isRefused = answer.results ? answer.results.every(({ error }) => hadNoEffect(error)) : hadNoEffect(answer);
  return { kind: isRefused ? 'refused' : 'unknown' };
}

const commandsInFlightMax = 8;

interface SocketEvent extends ProduceResults {
  readonly event: string;
  readonly id?: number;
  readonly failed?: number;
  readonly error?: { readonly side_effects?: string };
}

/**
 * Commands that do not wait for their answers, for a few partitions in turn; when a socket ends, its commands are
 * unknown.
 */
export async function writeWebSocket(load: Load, partitions: readonly number[]): Promise<void> {
  const { site, recorder, paceMs, signal } = load;
  const values = recorder.producer('once', 'websocket');
  const { http } = site.places();
  for (let turn = 0; !signal.aborted; turn++) {
    const socket = await openSocket(http[turn % http.length]!, site.access.apiKey).catch(() => undefined);
    if (!socket) {
      await sleep(failurePauseMs);
      continue;
    }
    const waiting = new Map<number, { partition: number; batch: number[] }>();
    socket.on('message', (data) => {
      const event = JSON.parse(String(data)) as SocketEvent;
      const command = event.id === undefined ? undefined : waiting.get(event.id);
      if (!command) return;
      waiting.delete(event.id!);
      const { partition, batch } = command;
      const outcome = outcomeOf(event.error ?? event, event.event === 'ok' && (event.failed ?? 0) === 0);
      if (outcome.kind === 'acked') recorder.add({ kind: 'acked', partition, base: outcome.base, values: batch });
      else if (outcome.kind === 'refused') recorder.add({ kind: 'refused', partition, values: batch });
    });
    for (let id = 1; socket.readyState === WebSocket.OPEN && !signal.aborted; id++) {
      await sleep(paceMs);
      if (waiting.size >= commandsInFlightMax || socket.readyState !== WebSocket.OPEN) continue;
      const partition = partitions[id % partitions.length]!;
      const batch = values.take(1 + (id % 3));
      waiting.set(id, { partition, batch });
      recorder.add({ kind: 'sent', partition, values: batch });
      const records = batch.map((value) => ({ value: valueText(value), partition }));
      socket.send(JSON.stringify({ op: 'produce', id, topic, format: 'string', records }), () => undefined);
    }
    socket.terminate();
  }
}

export function openSocket(http: string, apiKey: string): Promise<WebSocket> {
  const socket = new WebSocket(`${http.replace('http', 'ws')}/v1/ws`, {
    headers: { authorization: `Bearer ${apiKey}` },
    handshakeTimeout: 5000,
  });
  socket.on('error', () => undefined);
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket));
    socket.once('close', () => reject(new Error('refused')));
  });
}

/** The part of a site that a Kafka client needs. */
export interface KafkaPlace {
  places(): Pick<Places, 'kafka'>;
  readonly access: Pick<Site['access'], 'keyId' | 'apiKey'>;
}

export function kafkaClient(site: KafkaPlace, name: string): Kafka {
  const { access } = site;
  return new Kafka({
    clientId: name,
    brokers: [...site.places().kafka],
    sasl: { mechanism: 'plain', username: access.keyId, password: access.apiKey },
    logLevel: logLevel.NOTHING,
    connectionTimeout: 3000,
    retry: { retries: 1000, initialRetryTime: 30, maxRetryTime: 300 },
  });
}

const recordsPerSendMax = 12;

/** Every producer sends to several partitions at once, so that an answer may be good for one and bad for another. */
export async function writeKafka(
  load: Load,
  as: 'idempotent' | 'plain',
  acks: 1 | -1,
  partitions: readonly number[],
): Promise<void> {
  const { site, recorder, signal, paceMs } = load;
  let producer: Producer | undefined;
  let values: Values | undefined;
  while (!signal.aborted) {
    try {
      if (!producer || !values) {
        producer = kafkaClient(site, `soak-${as}`).producer({
          idempotent: as === 'idempotent',
          maxInFlightRequests: 1,
          retry: { retries: 1000, initialRetryTime: 30, maxRetryTime: 300 },
        });
        await producer.connect();
        values = recorder.producer(as, `kafka ${as}`);
      }
      await sendKafka(load, producer, values, acks, partitions);
      await sleep(paceMs * 2);
    } catch {
      // kafkajs gave up, and its sequence with it: another producer continues, with an order of its own.
      await producer?.disconnect().catch(() => undefined);
      producer = values = undefined;
      await sleep(failurePauseMs);
    }
  }
  await producer?.disconnect().catch(() => undefined);
}

async function sendKafka(
  { recorder }: Load,
  producer: Producer,
  values: Values,
  acks: 1 | -1,
  partitions: readonly number[],
): Promise<void> {
  const batch = values.take(partitions.length + Math.floor(performance.now() % recordsPerSendMax));
  const messages = batch.map((value, i) => ({
    value: valueText(value),
    partition: partitions[i % partitions.length]!,
  }));
  const byPartition = new Map(partitions.map((p, at) => [p, batch.filter((_, i) => i % partitions.length === at)]));
  for (const [partition, own] of byPartition) recorder.add({ kind: 'sent', partition, values: own });
  const answers = await producer.send({ topic, acks, messages, compression: compressionOf(values) });
  for (const { partition, errorCode, baseOffset } of answers) {
    if (errorCode !== 0) continue;
    const base = Number(baseOffset ?? -1);
    recorder.add({ kind: 'acked', partition, base, values: byPartition.get(partition)! });
  }
}

function compressionOf({ producer }: Values): CompressionTypes {
  return producer % 2 === 0 ? CompressionTypes.GZIP : CompressionTypes.None;
}

/** As readers find it: text that is not a value of ours counts as a value that nobody sent. */
export function valueIn(data: Buffer | string | null): number {
  return parseValue(String(data ?? ''));
}
