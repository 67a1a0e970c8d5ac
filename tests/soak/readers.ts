/** The soak's consumers: cursors over HTTP, a WebSocket subscription, and an observer of offsets. The group: group-member.ts. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { WebSocket } from 'ws';
import { finalReader } from './history.ts';
import { HttpClient } from './http-client.ts';
import type { Recorder } from './recorder.ts';
import { group, type Site, topic } from './site.ts';
import { type Load, openSocket, valueIn } from './writers.ts';

interface PageRecord {
  readonly partition: number;
  readonly offset: number;
  readonly value: string;
}

interface Page {
  readonly records: readonly PageRecord[];
  readonly next: string;
  readonly up_to_date: boolean;
}

const failurePauseMs = 30;

/** One entry per run of consecutive offsets of a partition. */
export function recordRead(recorder: Recorder, reader: string, records: readonly PageRecord[]): void {
  let at = 0;
  while (at < records.length) {
    const { partition, offset: base } = records[at]!;
    const values: number[] = [];
    for (; at < records.length; at++) {
      const next = records[at]!;
      if (next.partition !== partition || next.offset !== base + values.length) break;
      values.push(valueIn(next.value));
    }
    recorder.add({ kind: 'read', reader, partition, base, values });
  }
}

class Cursor {
  readonly #client: HttpClient;
  readonly #recorder: Recorder;
  readonly #reader: string;
  #place = 'from=earliest';

  constructor(site: Site, recorder: Recorder, reader: string) {
    this.#client = new HttpClient(site.places().http, site.access.apiKey);
    this.#recorder = recorder;
    this.#reader = reader;
  }

  /** Undefined when there was no page. */
  async read(waitMs: number): Promise<Page | undefined> {
    const path = `/v1/topics/${topic}/records?${this.#place}&format=string&max_records=5000&wait=${waitMs}ms`;
    const answer = await this.#client.ask('GET', path, { accept: 'application/json' }).catch(() => undefined);
    if (answer?.status === 410 || answer?.status === 416) {
      this.#recorder.add({ kind: 'out-of-range', reader: this.#reader, what: answer.body.slice(0, 300) });
    }
    if (answer?.status !== 200) return undefined;
    const page = JSON.parse(answer.body) as Page;
    recordRead(this.#recorder, this.#reader, page.records);
    this.#place = `cursor=${page.next}`;
    return page;
  }

  close(): void {
    this.#client.close();
  }
}

export async function readCursor({ site, recorder, signal }: Load, name: string): Promise<void> {
  const cursor = new Cursor(site, recorder, name);
  while (!signal.aborted) if (!(await cursor.read(1000))) await sleep(failurePauseMs);
  cursor.close();
}

/**
 * Everything from the start to the end, however long that takes: a soak of a thousand faults stores more than a minute's
 * reading. False when nothing more came for `waitMsMax` before the end.
 */
export async function readFinally(site: Site, recorder: Recorder, waitMsMax: number): Promise<boolean> {
  const cursor = new Cursor(site, recorder, finalReader);
  let deadlineMs = performance.now() + waitMsMax;
  // Ends a cursor that never arrives. A plain producer may store a record twice.
  let left = 2 * recorder.checker.counts.sent;
  while (performance.now() < deadlineMs && left >= 0) {
    const page = await cursor.read(500);
    // An empty page is not the end: a partition may be moving to another broker.
    if (page?.up_to_date) {
      cursor.close();
      return true;
    }
    if (!page) await sleep(failurePauseMs);
    else if (page.records.length > 0) {
      deadlineMs = performance.now() + waitMsMax;
      left -= page.records.length;
    }
  }
  cursor.close();
  return false;
}

interface BatchEvent {
  readonly event: string;
  readonly partition: number;
  readonly base: number;
  readonly records: readonly { readonly value: string }[];
  readonly next: string;
  readonly from?: number;
  readonly earliest?: number;
  readonly error?: { readonly code?: string };
}

const resumeCodes: readonly (string | undefined)[] = ['offset-expired', 'offset-beyond-end'];

/** Resumes by the last cursor whenever the socket ends. */
export async function readWebSocket({ site, recorder, signal }: Load, name: string): Promise<void> {
  let cursor: string | undefined;
  let socket: WebSocket | undefined;
  signal.addEventListener('abort', () => socket?.terminate(), { once: true });
  const { http } = site.places();
  for (let turn = 0; !signal.aborted; turn++) {
    socket = await openSocket(http[turn % http.length]!, site.access.apiKey).catch(() => undefined);
    if (!socket) {
      await sleep(failurePauseMs);
      continue;
    }
    const current = socket;
    current.on('message', (data) => {
      const event = JSON.parse(String(data)) as BatchEvent;
      if (event.event === 'batch') {
        const values = event.records.map(({ value }) => valueIn(value));
        recorder.add({ kind: 'read', reader: name, partition: event.partition, base: event.base, values });
        cursor = event.next;
      } else if (event.event === 'gap' || resumeCodes.includes(event.error?.code)) {
        recorder.add({ kind: 'out-of-range', reader: name, what: String(data).slice(0, 300) });
      } else if (event.event === 'error') current.terminate();
    });
    const place = cursor === undefined ? { from: 'earliest' } : { cursor };
    current.send(JSON.stringify({ op: 'subscribe', id: 1, sub: 1, topic, format: 'string', ...place }));
    await new Promise<void>((resolve) => {
      if (current.readyState === current.CLOSED) resolve();
      else current.once('close', () => resolve());
    });
  }
}

const observePauseMs = 250;

/** Ends of partitions and committed offsets, over and over. */
export async function observeOffsets({ site, recorder, signal }: Load): Promise<void> {
  const client = new HttpClient(site.places().http, site.access.apiKey);
  while (!signal.aborted) {
    await observeOnce(client, recorder, 'observer');
    await sleep(observePauseMs);
  }
  client.close();
}

interface TopicShown {
  readonly partitions: readonly {
    readonly partition: number;
    readonly start_offset: number;
    readonly end_offset: number;
  }[];
}

interface GroupShown {
  readonly offsets: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly committed_offset: number;
  }[];
}

/** False when the group's offsets could not be had. */
export async function observeOnce(client: HttpClient, recorder: Recorder, observer: string): Promise<boolean> {
  recorder.add({ kind: 'asks', observer });
  const ranges = await client.ask('GET', `/v1/topics/${topic}`).catch(() => undefined);
  if (ranges?.status === 200) {
    const { partitions } = JSON.parse(ranges.body) as TopicShown;
    for (const { partition, start_offset: start, end_offset: end } of partitions) {
      recorder.add({ kind: 'range', observer, partition, start, end });
    }
  }
  recorder.add({ kind: 'asks', observer });
  const shown = await client.ask('GET', `/v1/groups/${group}`).catch(() => undefined);
  if (shown?.status !== 200) return false;
  for (const { partition, committed_offset: offset } of (JSON.parse(shown.body) as GroupShown).offsets) {
    recorder.add({ kind: 'found', observer, group, partition, offset });
  }
  return true;
}
