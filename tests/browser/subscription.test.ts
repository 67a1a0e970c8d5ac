/**
 * The page of docs/examples/browser in a real browser, as a developer gets it: its own server, its own origin, tickets.
 * Between it and Headgate the network is cut, goes silent, and brokers are killed, while records are produced; at the end
 * the page has shown every one of them once, each partition in order.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Instance } from '../../bin/demo/instance.ts';
import { authorized, createTopic, demoAccess } from '../e2e/doors.ts';
import { startInstallation } from '../installation.ts';
import { launchChromium } from './chromium.ts';
import { Relay } from './relay.ts';

const example = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'docs', 'examples', 'browser');
const partitions = 4;

interface Row {
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  readonly value: string;
}

let instance: Instance;
let browser: Browser;
beforeAll(async () => {
  [instance, browser] = await Promise.all([startInstallation(), launchChromium()]);
});
afterAll(async () => {
  await browser.close();
  await instance.remove();
});

/** For a broker whose requests are not taken in time, on a busy machine. */
const attemptsMax = 100;

/** Sends a numbered record until it is stored, and resolves with its offset: a repeat gets the offset of the first time. */
async function storeNumbered(topic: string, headers: Record<string, string>, record: object): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(`${instance.http}/v1/topics/${topic}/records`, {
      method: 'POST',
      headers: authorized(demoAccess(instance), { 'content-type': 'application/json', ...headers }),
      body: JSON.stringify({ records: [record] }),
    });
    const answer = (await response.json()) as { results: { offset: number }[]; retryable?: boolean };
    if (response.ok) return answer.results[0]!.offset;
    if (!answer.retryable || attempt === attemptsMax) throw new Error(`produce: ${JSON.stringify(answer)}`);
  }
}

/** Produces without a pause until told to end; resolves with the acknowledged records, by partition and offset. */
function produceTo(topic: string): () => Promise<Map<string, string>> {
  const acknowledged = new Map<string, string>();
  let isOver = false;
  const lane = async (partition: number): Promise<void> => {
    const made = await fetch(`${instance.http}/v1/producers`, {
      method: 'POST',
      headers: authorized(demoAccess(instance)),
    });
    const { producer_id: producerId } = (await made.json()) as { producer_id: number };
    const key = `k${partition}`;
    for (let n = 0; !isOver; n++) {
      const value = `${key} ${n} <b>&amp;`;
      const headers = { 'producer-id': `${producerId}`, 'producer-sequence': `${n}` };
      const offset = await storeNumbered(topic, headers, { key, value, partition });
      acknowledged.set(`${partition}-${offset}`, value);
      // A page draws what comes: there need not be more than it can draw in the time of the test.
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  const lanes = Promise.all(Array.from({ length: partitions }, (_, partition) => lane(partition)));
  return async () => {
    isOver = true;
    await lanes;
    return acknowledged;
  };
}

async function serveExample(gateway: string): Promise<{ address: string; child: ChildProcess }> {
  const { apiKey } = demoAccess(instance);
  const env = { ...process.env, HEADGATE_HTTP: gateway, HEADGATE_API_KEY: apiKey, PORT: '0' };
  const child = spawn(process.execPath, [join(example, 'serve.mjs')], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { address: new URL(line).origin, child };
}

const countOf = async (page: Page): Promise<number> => Number(await page.locator('#count').textContent());
const connectionsOf = async (page: Page): Promise<number> => Number(await page.locator('#connections').textContent());

async function untilShown(page: Page, count: number): Promise<void> {
  await page.waitForFunction((n) => Number(document.getElementById('count')!.textContent) >= n, count);
}

/** Until the page has shown `more` records than at the moment. */
async function untilMore(page: Page, more: number): Promise<void> {
  await untilShown(page, (await countOf(page)) + more);
}

async function untilConnected(page: Page, times: number): Promise<void> {
  await page.waitForFunction((n) => Number(document.getElementById('connections')!.textContent) >= n, times);
}

function rowsOf(page: Page): Promise<Row[]> {
  return page.locator('#rows tr').evaluateAll((rows) =>
    rows.map((row) => {
      const [partition, offset, key, value] = [...row.children].map((cell) => cell.textContent ?? '');
      return { partition: Number(partition), offset: Number(offset), key: key!, value: value! };
    }),
  );
}

/** Offset and value of each row, in the order in which the page showed them. */
function byPartition(rows: readonly Row[]): string[][] {
  return Array.from({ length: partitions }, (_, p) =>
    rows.filter(({ partition }) => partition === p).map(({ offset, value }) => `${offset} ${value}`),
  );
}

/** What was acknowledged, as the page must show it: a record for every offset from 0 on. */
function wanted(acknowledged: ReadonlyMap<string, string>): string[][] {
  return Array.from({ length: partitions }, (_, p) => {
    const rows: string[] = [];
    for (let offset = 0; acknowledged.has(`${p}-${offset}`); offset++) {
      rows.push(`${offset} ${acknowledged.get(`${p}-${offset}`)}`);
    }
    return rows;
  });
}

async function killBusiest(): Promise<void> {
  const brokers = (await instance.brokers()).filter(({ state }) => state === 'serving');
  process.kill(brokers.toSorted((a, b) => b.partitions - a.partitions)[0]!.pid, 'SIGKILL');
}

describe('a page that subscribes', () => {
  it('shows every record once and in order through cuts, silence, dead brokers and a reload', async () => {
    const relay = await Relay.to(instance.http);
    const { address, child } = await serveExample(relay.address);
    await createTopic(instance, demoAccess(instance), 'page', partitions);
    const end = produceTo('page');
    const page = await browser.newPage();
    const crashes: string[] = [];
    page.on('pageerror', (error) => crashes.push(String(error)));
    await page.goto(`${address}/?topic=page&quietMs=2000`);
    await untilMore(page, 50);
    expect(await connectionsOf(page)).toBe(1);

    relay.cut();
    await untilConnected(page, 2);
    await untilMore(page, 20);

    await killBusiest();
    await untilMore(page, 50);
    expect(await connectionsOf(page)).toBe(2);

    relay.freeze();
    await page.waitForFunction(() => document.getElementById('state')!.textContent!.includes('nothing was heard'));
    relay.thaw();
    await untilConnected(page, 3);
    await untilMore(page, 20);

    relay.cut();
    await killBusiest();
    await untilConnected(page, 4);
    await untilMore(page, 50);

    const acknowledged = await end();
    await untilShown(page, acknowledged.size);
    const before = await rowsOf(page);

    // A closed page loses its rows but not the cursor: the next page shows the records that arrived meanwhile.
    await page.goto('about:blank');
    const endAgain = produceTo('page');
    await new Promise((resolve) => setTimeout(resolve, 200));
    await page.goto(`${address}/?topic=page&quietMs=2000`);
    await untilMore(page, 50);
    const all = new Map([...acknowledged, ...(await endAgain())]);
    await untilShown(page, all.size - before.length);
    const rows = [...before, ...(await rowsOf(page))];
    expect(byPartition(rows)).toEqual(wanted(all));
    expect(crashes).toEqual([]);
    await page.close();
    child.kill();
    await relay.close();
  });

  it('connects from any origin with a single-use ticket, or with the key as a subprotocol', async () => {
    const { address, child } = await serveExample(instance.http);
    const page = await browser.newPage();
    // Any page of another origin; this one stays idle, for its topic does not exist.
    await page.goto(`${address}/?topic=no-such-topic`);
    const outcomes = await page.evaluate(
      async ({ http, apiKey }) => {
        const headers = { Authorization: `Bearer ${apiKey}` };
        const issued = await fetch(`${http}/v1/ws-tickets`, { method: 'POST', headers });
        const { ticket } = (await issued.json()) as { ticket: string };
        const url = `${http.replace('http', 'ws')}/v1/ws`;
        /** What the first message is, or the code that the socket is closed with. */
        const open = (address: string, protocols: string[]): Promise<string> =>
          new Promise((resolve) => {
            const socket = new WebSocket(address, protocols);
            socket.onopen = () => socket.send('{"op":"ping"}');
            socket.onmessage = ({ data }) => resolve((JSON.parse(String(data)) as { event: string }).event);
            socket.onclose = ({ code }) => resolve(String(code));
          });
        const json = 'headgate.v1.json';
        return [
          await open(`${url}?ticket=${ticket}`, [json]),
          await open(`${url}?ticket=${ticket}`, [json]),
          await open(url, [json, `bearer.${apiKey}`]),
          await open(url, [json, 'bearer.hgk_wrong']),
        ];
      },
      { http: instance.http, apiKey: demoAccess(instance).apiKey },
    );
    expect(outcomes).toEqual(['pong', '4401', 'pong', '4401']);
    await page.close();
    child.kill();
  });
});
