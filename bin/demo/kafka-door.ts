/** The demo's Kafka clients: kafkajs as a tenant's developer would use it. */
import { Kafka, logLevel } from 'kafkajs';
import type { Instance, TenantAccess } from './instance.ts';
import { type FlightLetter, type Send, sendAll } from './lanes.ts';
import { oneAfterAnother } from './one-after-another.ts';
import type { Pace } from './pace.ts';
import type { Flight } from './flights.ts';
import type { Ledger } from './ledger.ts';

export const topic = 'flights';

function client(instance: Instance, tenant: TenantAccess): Kafka {
  return new Kafka({
    clientId: `demo-${tenant.name}`,
    brokers: [instance.kafka],
    sasl: { mechanism: 'plain', username: tenant.keyId, password: tenant.apiKey },
    logLevel: logLevel.NOTHING,
    retry: { retries: 100, initialRetryTime: 50, maxRetryTime: 500 },
  });
}

export async function produceKafka(
  instance: Instance,
  tenant: TenantAccess,
  ledger: Ledger,
  flights: readonly Flight[],
  pace: Pace,
): Promise<void> {
  const producer = client(instance, tenant).producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  const inTurn = oneAfterAnother();
  const send: Send = async (letters: readonly FlightLetter[]) => {
    const messages = letters.map((letter) => ({ key: letter.key, value: JSON.stringify(letter) }));
    await inTurn(() => producer.send({ topic, acks: -1, messages }));
    return [];
  };
  await sendAll(ledger, 'kafka', flights, pace, send);
  await producer.disconnect();
}

/** Reads until `signal` aborts. */
export async function consumeKafka(
  instance: Instance,
  tenant: TenantAccess,
  ledger: Ledger,
  signal: AbortSignal,
): Promise<void> {
  const consumer = client(instance, tenant).consumer({ groupId: 'demo', maxWaitTimeInMs: 500 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const reader = ledger.readers.get('kafka')!;
  await consumer.run({
    eachBatch: ({ batch }) => {
      for (const { key, value } of batch.messages) reader.receive(String(key), String(value));
      return Promise.resolve();
    },
  });
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  reader.pauses.rest();
  await consumer.disconnect();
}
