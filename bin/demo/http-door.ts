/** The demo's HTTP client: plain fetch, JSON in both directions, a cursor carried from page to page. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Flight } from './flights.ts';
import type { Instance, TenantAccess } from './instance.ts';
import { topic } from './kafka-door.ts';
import { type Send, sendAll } from './lanes.ts';
import type { Pace } from './pace.ts';
import type { Ledger } from './ledger.ts';

interface ProduceAnswer {
  readonly results: readonly { readonly offset?: number; readonly error?: unknown }[];
}

interface Page {
  readonly records: readonly { readonly key: string; readonly value: unknown }[];
  readonly next: string;
}

export async function produceHttp(
  instance: Instance,
  tenant: TenantAccess,
  ledger: Ledger,
  flights: readonly Flight[],
  pace: Pace,
): Promise<void> {
  const url = `${instance.http}/v1/topics/${topic}/records`;
  const headers = { authorization: `Bearer ${tenant.apiKey}`, 'content-type': 'application/json' };
  const send: Send = async (letters) => {
    const body = JSON.stringify({ records: letters.map((letter) => ({ key: letter.key, value: letter })) });
    const response = await fetch(url, { method: 'POST', headers, body });
    if (response.status !== 200 && response.status !== 207) {
      await response.arrayBuffer();
      return letters;
    }
    const { results } = (await response.json()) as ProduceAnswer;
    return letters.filter((_, i) => results[i]?.error !== undefined);
  };
  await sendAll(ledger, 'http', flights, pace, send);
}

/** Long polls until `signal` aborts. */
export async function consumeHttp(
  instance: Instance,
  tenant: TenantAccess,
  ledger: Ledger,
  signal: AbortSignal,
): Promise<void> {
  const url = `${instance.http}/v1/topics/${topic}/records`;
  const headers = { authorization: `Bearer ${tenant.apiKey}`, accept: 'application/json' };
  const reader = ledger.readers.get('http')!;
  let place = 'from=earliest';
  while (!signal.aborted) {
    try {
      const response = await fetch(`${url}?${place}&wait=1s&max_records=5000`, { headers, signal });
      if (!response.ok) {
        await response.arrayBuffer();
        await sleep(50);
        continue;
      }
      const { records, next } = (await response.json()) as Page;
      for (const { key, value } of records) reader.receive(key, JSON.stringify(value));
      place = `cursor=${next}`;
    } catch (error) {
      if (signal.aborted) break;
      if (!(error instanceof TypeError)) throw error;
      await sleep(50);
    }
  }
  reader.pauses.rest();
}
