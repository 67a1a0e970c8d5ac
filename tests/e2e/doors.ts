/**
 * What the tests of the whole share: a producer per door that keeps the order of a key by sending one record of it at a
 * time, and a reader that fetches everything there is.
 */
import { Kafka, logLevel, type Producer } from 'kafkajs';
import { WebSocket } from 'ws';
import type { Instance } from '../../bin/demo/instance.ts';

export interface Access {
  readonly keyId: string;
  readonly apiKey: string;
}

export function demoAccess(instance: Instance): Access {
  const { environment } = instance;
  return { keyId: environment['HEADGATE_SASL_USERNAME']!, apiKey: environment['HEADGATE_API_KEY']! };
}

export function kafkaOf(instance: Instance, access: Access): Kafka {
  return new Kafka({
    clientId: 'e2e',
    brokers: [instance.kafka],
    sasl: { mechanism: 'plain', username: access.keyId, password: access.apiKey },
    logLevel: logLevel.NOTHING,
    retry: { retries: 60, initialRetryTime: 50, maxRetryTime: 500 },
  });
}

export function authorized(access: Access, more: Record<string, string> = {}): Record<string, string> {
  return { authorization: `Bearer ${access.apiKey}`, ...more };
}

export async function createTopic(instance: Instance, access: Access, name: string, partitions: number): Promise<void> {
  const response = await fetch(`${instance.http}/v1/topics`, {
    method: 'POST',
    headers: authorized(access, { 'content-type': 'application/json' }),
    body: JSON.stringify({ name, partitions }),
  });
  if (!response.ok) throw new Error(`create ${name}: ${response.status} ${await response.text()}`);
}

/** Sends one value under one key; resolves true when it was acknowledged, false when it may be tried again. */
export type SendOne = (key: string, value: string) => Promise<boolean>;

export function httpSender(instance: Instance, access: Access, topic: string): SendOne {
  return async (key, value) => {
    const response = await fetch(`${instance.http}/v1/topics/${topic}`, {
      method: 'POST',
      headers: authorized(access, { 'record-key': key, 'content-type': 'application/octet-stream' }),
      body: value,
    });
    await response.arrayBuffer();
    return response.status === 200;
  };
}

export async function kafkaSender(
  instance: Instance,
  access: Access,
  topic: string,
): Promise<{ readonly send: SendOne; close(): Promise<void> }> {
  const producer: Producer = kafkaOf(instance, access).producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  return {
    send: async (key, value) => {
      await producer.send({ topic, acks: -1, messages: [{ key, value }] });
      return true;
    },
    close: () => producer.disconnect(),
  };
}

export async function websocketSender(
  instance: Instance,
  access: Access,
  topic: string,
): Promise<{ readonly send: SendOne; close(): void }> {
  const socket = new WebSocket(`${instance.http.replace('http', 'ws')}/v1/ws`, { headers: authorized(access) });
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  const waiting = new Map<number, (stored: boolean) => void>();
  let nextId = 1;
  socket.on('message', (data) => {
    const event = JSON.parse(String(data)) as { id?: number; event?: string; failed?: number };
    const settle = event.id === undefined ? undefined : waiting.get(event.id);
    if (!settle || event.id === undefined) return;
    waiting.delete(event.id);
    settle(event.event === 'ok' && (event.failed ?? 0) === 0);
  });
  return {
    send: (key, value) =>
      new Promise((resolve) => {
        const id = nextId++;
        waiting.set(id, resolve);
        socket.send(JSON.stringify({ id, op: 'produce', topic, format: 'string', records: [{ key, value }] }));
      }),
    close: () => socket.terminate(),
  };
}

export interface ReadRecord {
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  readonly value: string;
}

/** All records from the start to the end, over HTTP. */
export async function readAll(instance: Instance, access: Access, topic: string): Promise<ReadRecord[]> {
  const records: ReadRecord[] = [];
  let place = 'from=earliest';
  for (;;) {
    const response = await fetch(
      `${instance.http}/v1/topics/${topic}/records?${place}&max_records=10000&format=string&wait=1s`,
      {
        headers: authorized(access, { accept: 'application/json' }),
      },
    );
    if (!response.ok) throw new Error(`read ${topic}: ${response.status} ${await response.text()}`);
    const page = (await response.json()) as { records: ReadRecord[]; next: string; up_to_date: boolean };
    records.push(...page.records);
    // An empty page is no end: a partition may be on its way to another broker.
    if (page.up_to_date) return records;
    place = `cursor=${page.next}`;
  }
}

export interface Outcome {
  readonly lost: string[];
  readonly duplicates: string[];
  /** Keys whose values do not come in the order in which they were sent. */
  readonly disordered: string[];
}

/** Values are `<key>:<number>`, sent in the order of their numbers per key; judged by what the log holds. */
export function judgeRecords(records: readonly ReadRecord[], acknowledged: readonly string[]): Outcome {
  const seen = new Map<string, number>();
  const last = new Map<string, number>();
  const disordered = new Set<string>();
  for (const { value } of records) {
    const count = (seen.get(value) ?? 0) + 1;
    seen.set(value, count);
    const [key, number] = [value.slice(0, value.lastIndexOf(':')), Number(value.slice(value.lastIndexOf(':') + 1))];
    if (count === 1 && number < (last.get(key) ?? -1)) disordered.add(key);
    if (count === 1) last.set(key, number);
  }
  return {
    lost: acknowledged.filter((value) => !seen.has(value)),
    duplicates: [...seen].filter(([, count]) => count > 1).map(([value]) => value),
    disordered: [...disordered],
  };
}

/** One key: numbers in order, each repeated until it is acknowledged. Pushes what was acknowledged. */
export async function sendKey(send: SendOne, key: string, count: number, acknowledged: string[]): Promise<void> {
  for (let number = 0; number < count; number++) {
    const value = `${key}:${number}`;
    for (let attempt = 0; ; attempt++) {
      if (attempt === attemptsMax) throw new Error(`${value} was never acknowledged`);
      if (await send(key, value).catch(() => false)) break;
    }
    acknowledged.push(value);
  }
}

const attemptsMax = 200;
