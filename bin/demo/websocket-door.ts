/** The demo's WebSocket client: one socket to produce, one to follow, each reopened when it ends. */
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { Flight } from './flights.ts';
import type { Instance, TenantAccess } from './instance.ts';
import { topic } from './kafka-door.ts';
import { type Send, sendAll } from './lanes.ts';
import type { Pace } from './pace.ts';
import type { Ledger } from './ledger.ts';

interface ProduceEvent {
  readonly event: string;
  readonly id?: number;
  readonly results?: readonly { readonly error?: unknown }[];
}

interface BatchEvent {
  readonly event: string;
  readonly records?: readonly { readonly key: string; readonly value: unknown }[];
  readonly next?: string;
}

function connect(instance: Instance, tenant: TenantAccess): Promise<WebSocket> {
  const socket = new WebSocket(`${instance.http.replace('http', 'ws')}/v1/ws`, {
    headers: { authorization: `Bearer ${tenant.apiKey}` },
  });
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Pending commands by id; when the socket ends, they all fail. */
class ProduceSocket {
  readonly #instance: Instance;
  readonly #tenant: TenantAccess;
  readonly #waiting = new Map<number, { resolve(event: ProduceEvent): void; reject(error: Error): void }>();
  #socket: Promise<WebSocket> | undefined;
  #nextId = 1;

  constructor(instance: Instance, tenant: TenantAccess) {
    this.#instance = instance;
    this.#tenant = tenant;
  }

  async produce(records: readonly { key: string; value: unknown }[]): Promise<ProduceEvent> {
    this.#socket ??= this.#open();
    const socket = await this.#socket;
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      socket.send(JSON.stringify({ op: 'produce', id, topic, records }));
    });
  }

  async #open(): Promise<WebSocket> {
    try {
      const socket = await connect(this.#instance, this.#tenant);
      socket.on('message', (data) => {
        const event = JSON.parse(String(data)) as ProduceEvent;
        const waiting = event.id === undefined ? undefined : this.#waiting.get(event.id);
        if (!waiting) return;
        this.#waiting.delete(event.id!);
        waiting.resolve(event);
      });
      socket.on('close', () => this.#ended());
      socket.on('error', () => undefined);
      return socket;
    } catch (error) {
      this.#socket = undefined;
      throw error;
    }
  }

  #ended(): void {
    this.#socket = undefined;
    for (const waiting of this.#waiting.values()) waiting.reject(new Error('the socket ended'));
    this.#waiting.clear();
  }

  async close(): Promise<void> {
    (await this.#socket?.catch(() => undefined))?.close();
  }
}

export async function produceWebSocket(
  instance: Instance,
  tenant: TenantAccess,
  ledger: Ledger,
  flights: readonly Flight[],
  pace: Pace,
): Promise<void> {
  const socket = new ProduceSocket(instance, tenant);
  const send: Send = async (letters) => {
    const event = await socket.produce(letters.map((letter) => ({ key: letter.key, value: letter })));
    if (event.event !== 'ok') return letters;
    return letters.filter((_, i) => event.results?.[i]?.error !== undefined);
  };
  await sendAll(ledger, 'websocket', flights, pace, send);
  await socket.close();
}

/** Follows from the start until `signal` aborts; after the socket ended it continues from the last cursor. */
export async function consumeWebSocket(
  instance: Instance,
  tenant: TenantAccess,
  ledger: Ledger,
  signal: AbortSignal,
): Promise<void> {
  const reader = ledger.readers.get('websocket')!;
  let cursor: string | undefined;
  while (!signal.aborted) {
    const socket = await connect(instance, tenant).catch(() => undefined);
    if (!socket) {
      await sleep(50);
      continue;
    }
    socket.on('message', (data) => {
      const event = JSON.parse(String(data)) as BatchEvent;
      if (event.event !== 'batch') return;
      for (const { key, value } of event.records ?? []) reader.receive(key, JSON.stringify(value));
      cursor = event.next;
    });
    socket.on('error', () => undefined);
    const place = cursor === undefined ? { from: 'earliest' } : { cursor };
    socket.send(JSON.stringify({ op: 'subscribe', id: 1, sub: 1, topic, ...place }));
    await new Promise<void>((resolve) => {
      socket.once('close', () => resolve());
      signal.addEventListener('abort', () => socket.close(), { once: true });
    });
  }
  reader.pauses.rest();
}
