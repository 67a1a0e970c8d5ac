/**
 * What the tests of the whole share: a producer per door that keeps the order of a key by sending one record of it at a
 * time, and a reader that fetches everything there is.
 */
import { request } from 'node:https';
import { Kafka, logLevel, type Producer } from 'kafkajs';
import { WebSocket } from 'ws';
import type { Instance } from '../../bin/demo/instance.ts';
import { oneAfterAnother } from '../../bin/demo/one-after-another.ts';

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

/**
 * How often each value was answered with an unknown outcome: a broker died with it, and no other took over in time.
 * Each time the value may have been stored, and a client that sends it again without numbers stores it twice
 * (docs/http.md).
 */
export class Doubts {
  readonly #times = new Map<string, number>();

  of(value: string): number {
    return this.#times.get(value) ?? 0;
  }

  /** `problem`: why it was not acknowledged; absent where no answer came. */
  note(value: string, problem: { readonly side_effects?: string } | undefined): void {
    if (problem?.side_effects !== 'none') this.#times.set(value, this.of(value) + 1);
  }
}

export function httpSender(instance: Instance, access: Access, topic: string, doubts = new Doubts()): SendOne {
  return async (key, value) => {
    const response = await fetch(`${instance.http}/v1/topics/${topic}`, {
      method: 'POST',
      headers: authorized(access, { 'record-key': key, 'content-type': 'application/octet-stream' }),
      body: value,
    }).catch((error: unknown) => {
      doubts.note(value, undefined);
      throw error;
    });
    const answer = (await response.json()) as { readonly side_effects?: string };
    if (response.status !== 200) doubts.note(value, answer);
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
  const inTurn = oneAfterAnother();
  return {
    send: async (key, value) => {
      await inTurn(() => producer.send({ topic, acks: -1, messages: [{ key, value }] }));
      return true;
    },
    close: () => producer.disconnect(),
  };
}

interface ProduceAnswer {
  readonly id?: number;
  readonly failed?: number;
  readonly results?: readonly { readonly error?: { readonly side_effects: string } }[];
  readonly error?: { readonly side_effects: string };
}

export async function websocketSender(
  instance: Instance,
  access: Access,
  topic: string,
  doubts = new Doubts(),
): Promise<{ readonly send: SendOne; close(): void }> {
  const socket = new WebSocket(`${instance.http.replace('http', 'ws')}/v1/ws`, { headers: authorized(access) });
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  const waiting = new Map<number, { readonly value: string; settle(stored: boolean): void }>();
  let nextId = 1;
  socket.on('message', (data) => {
    const { id, failed, results, error } = JSON.parse(String(data)) as ProduceAnswer;
    const sent = id === undefined ? undefined : waiting.get(id);
    if (!sent || id === undefined) return;
    waiting.delete(id);
    const isStored = failed === 0;
    if (!isStored) doubts.note(sent.value, error ?? results?.[0]?.error);
    sent.settle(isStored);
  });
  return {
    send: (key, value) =>
      new Promise((settle) => {
        const id = nextId++;
        waiting.set(id, { value, settle });
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

interface Problem {
  readonly retryable: boolean;
  readonly retry_after_ms?: number;
}

/**
 * All records from the start to the end, over HTTP. `retriesMax`: so often it does as the answer says, and comes again; more
 * than any failover takes on a busy machine.
 */
export async function readAll(
  instance: Instance,
  access: Access,
  topic: string,
  retriesMax = 30,
): Promise<ReadRecord[]> {
  const records: ReadRecord[] = [];
  let place = 'from=earliest';
  for (let retries = 0; ; ) {
    const response = await fetch(
      `${instance.http}/v1/topics/${topic}/records?${place}&max_records=10000&format=string&wait=1s`,
      {
        headers: authorized(access, { accept: 'application/json' }),
      },
    );
    if (!response.ok) {
      const problem = await response.text();
      const { retryable, retry_after_ms = 1000 } = JSON.parse(problem) as Problem;
      if (!retryable || retries++ === retriesMax) throw new Error(`read ${topic}: ${response.status} ${problem}`);
      await new Promise((resolve) => setTimeout(resolve, retry_after_ms));
      continue;
    }
    const page = (await response.json()) as { records: ReadRecord[]; next: string; up_to_date: boolean };
    records.push(...page.records);
    // An empty page is not the end: a partition may be moving to another broker.
    if (page.up_to_date) return records;
    place = `cursor=${page.next}`;
  }
}

export interface Outcome {
  readonly lost: string[];
  /** Stored more often than its answers allow. */
  readonly duplicates: string[];
  /** Keys whose values do not come in the order in which they were sent. */
  readonly disordered: string[];
}

/** Values are `<key>:<number>`, sent in the order of their numbers per key; judged by what the log holds. */
export function judgeRecords(
  records: readonly ReadRecord[],
  acknowledged: readonly string[],
  doubts = new Doubts(),
): Outcome {
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
    duplicates: [...seen].filter(([value, count]) => count > 1 + doubts.of(value)).map(([value]) => value),
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

/** A connection of its own. */
export function askTls(url: string, ca: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { ca, agent: false }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode!));
    });
    asked.on('error', reject);
    asked.end();
  });
}
