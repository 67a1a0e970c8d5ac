/**
 * GET /v1/topics/{topic}/records: a page of records and the cursor of the next, as JSON, NDJSON or record batches; or, for
 * Accept: text/event-stream, records as they arrive (event-stream.ts). Stateless: a client can continue with its cursor at
 * any gateway.
 */
import { Cancellation } from '../../../engine/kernel/cancellation.ts';
import { InvalidRequest } from '../../../engine/kernel/failure.ts';
import { sleep } from '../../../engine/kernel/clock.ts';
import { lastOffset, recordCount } from '../../../engine/records/batch.ts';
import type { TopicEntry } from '../../../engine/engine.ts';
import type { Principal } from '../../../tenancy/tenancy.ts';
import type { GatewayContext } from '../../context.ts';
import { heldBackMs, refuseLongRead } from '../../operations/admit.ts';
import type { Position } from '../../operations/cursor.ts';
import { JsonOutput } from '../../operations/json-output.ts';
import { fetchPage, type FetchedPage, pageCapacity, type PageOptions, renderPage } from '../../operations/read-page.ts';
import { parseFormat, type RecordFormat } from '../../operations/record-json.ts';
import { cursorText, type ReaderStart, startReader } from '../../operations/reader-start.ts';
import { booleanIn } from '../boolean-in.ts';
import { ProblemFailure } from '../failures.ts';
import type { DoorParts, TenantHandler } from '../guard.ts';
import type { KnownQuery } from '../known-query.ts';
import { headersOf } from '../reply-headers.ts';
import type { HttpExchange } from '../servers/server.ts';
import { eventStream } from './event-stream.ts';
import { topicOf } from './find-topic.ts';
import { linesType, recordBatchType } from './produce-records.ts';

const recordsDefault = 1_000;
const bytesDefault = 1024 * 1024;

export const consumeQuery: KnownQuery = {
  names: [
    'cursor',
    'from',
    'partitions',
    'partition',
    'max_records',
    'max_bytes',
    'wait',
    'clamp',
    'format',
    'lastEventId',
  ],
};

export function consume(parts: DoorParts): TenantHandler {
  return async (exchange, principal) => {
    const topic = topicOf(parts.context, principal, exchange);
    const type = acceptedType(exchange.header('accept'));
    const query = exchange.query();
    const lastEventId = lastEventOf(exchange, type === 'text/event-stream');
    const request = {
      cursor: lastEventId || cursorOf(exchange),
      from: query.get('from') ?? undefined,
      partitions: partitionsOf(query),
    };
    // Check before the page is charged: nobody is refused for what the page itself costs.
    if (type !== 'text/event-stream') refuseLongRead(parts.context, principal.clusterId);
    const start = await startReader(parts.context, principal, topic, request);
    if (exchange.aborted) return undefined;
    if (type === 'text/event-stream') return eventStream(parts, exchange, principal, topic, start);
    return sendPage(parts, exchange, principal, topic, start, type);
  };
}

/** Polyfills of EventSource that can send an API key put the id of the last event into the query. Throws InvalidRequest. */
function lastEventOf(exchange: HttpExchange, isStream: boolean): string | undefined {
  const inQuery = exchange.query().get('lastEventId');
  if (isStream) return exchange.header('last-event-id') || (inQuery ?? undefined);
  if (inQuery !== null) throw new InvalidRequest('lastEventId', 'lastEventId= is for event streams: use cursor=');
  return undefined;
}

/**
 * A cursor over many partitions makes a request line that does not fit into one packet, which uWebSockets.js on Node 20
 * refuses (ADR 3): a header may come in pieces. Throws InvalidRequest.
 */
function cursorOf(exchange: HttpExchange): string | undefined {
  const inQuery = exchange.query().get('cursor') ?? undefined;
  const inHeader = exchange.header('cursor') || undefined;
  if (inHeader !== undefined && inQuery !== undefined) {
    throw new InvalidRequest('cursor', 'the cursor is given twice: as a header and in the query');
  }
  return inHeader ?? inQuery;
}

async function sendPage(
  parts: DoorParts,
  exchange: HttpExchange,
  principal: Principal,
  topic: TopicEntry,
  start: ReaderStart,
  type: PageType,
): Promise<void> {
  const { context } = parts;
  const query = exchange.query();
  const format = parseFormat(query.get('format'));
  if (type === recordBatchType && start.positions.length !== 1) {
    throw new InvalidRequest('partition', `${recordBatchType} reads one partition: choose it with ?partition=`);
  }
  const cancellation = new Cancellation();
  const cancel = (): void => cancellation.cancel();
  exchange.onAborted(cancel);
  const options = pageOptions(context, query, cancellation);
  // When the door closes, long polls answer with the records they have. So they do when their key is revoked; its next
  // request is refused.
  const release = parts.holders.hold(principal.keyId, cancel);
  const page = await fetchPage(context, principal, topic, start, options).finally(release);
  const delayMs = heldBackMs(context, principal.clusterId, page.verdict, context.settings.quotaWaitMsMax);
  if (delayMs > 0) await sleep(context.clock, delayMs);
  // Many long polls may end together.
  const { body, next } = await context.turns.goOn(principal.clusterId, () =>
    type === recordBatchType
      ? batchBody(page, start.positions, options.recordsMax)
      : jsonBody(page, start, options, format, topic, type),
  );
  const headers = positionHeaders(parts, cursorText(topic, start.wholeTopic, next), page, next, type);
  exchange.reply(200, headersOf(exchange, type, headers), body);
}

interface Body {
  readonly body: Uint8Array;
  readonly next: readonly Position[];
}

async function jsonBody(
  page: FetchedPage,
  start: ReaderStart,
  options: PageOptions,
  format: RecordFormat,
  topic: TopicEntry,
  type: PageType,
): Promise<Body> {
  const output = new JsonOutput(pageCapacity(page, options));
  if (type === linesType) {
    const next = await renderPage(output, page, start.positions, format, '\n', options);
    return { body: output.written(), next };
  }
  output.ascii('{"records":[');
  const next = await renderPage(output, page, start.positions, format, ',', options);
  const ends = page.partitions.map(
    ({ partition, highWatermark, logStartOffset }) =>
      `{"partition":${partition},"high_watermark":${highWatermark},"earliest":${logStartOffset}}`,
  );
  const cursor = cursorText(topic, start.wholeTopic, next);
  output.ascii(`],"next":"${cursor}","up_to_date":${isUpToDate(page, next)},"partitions":[${ends.join(',')}]}`);
  return { body: output.written(), next };
}

/** Whole batches as stored, until `recordsMax` is passed. The first batch may begin before the position. */
function batchBody(page: FetchedPage, positions: readonly Position[], recordsMax: number): Body {
  let offset = positions[0]!.offset;
  const part = page.partitions[0];
  const taken: Uint8Array[] = [];
  let records = 0;
  if (part) offset = part.fromOffset;
  for (const batch of part?.batches ?? []) {
    if (records >= recordsMax) break;
    taken.push(batch);
    records += recordCount(batch, 0);
    offset = lastOffset(batch, 0) + 1;
  }
  return { body: Buffer.concat(taken), next: [{ partition: positions[0]!.partition, offset }] };
}

function isUpToDate(page: FetchedPage, next: readonly Position[]): boolean {
  const ends = new Map(page.partitions.map(({ partition, highWatermark }) => [partition, highWatermark]));
  return next.every(({ partition, offset }) => offset >= (ends.get(partition) ?? Infinity));
}

function positionHeaders(
  { settings }: DoorParts,
  cursor: string,
  page: FetchedPage,
  next: readonly Position[],
  type: PageType,
): [string, string][] {
  const headers: [string, string][] = [['up-to-date', String(isUpToDate(page, next))]];
  if (cursor.length <= settings.cursorHeaderBytesMax) headers.push(['next-cursor', cursor]);
  else if (type !== 'application/json') {
    const detail = `a cursor over ${next.length} partitions does not fit in a header: read fewer with ?partitions=, or accept application/json`;
    throw new InvalidRequest('partitions', detail);
  }
  const [only] = page.partitions;
  if (only && next.length === 1) headers.push(['high-watermark', String(only.highWatermark)]);
  return headers;
}

function pageOptions({ settings }: GatewayContext, query: URLSearchParams, cancellation: Cancellation): PageOptions {
  return {
    recordsMax: bounded(query, 'max_records', recordsDefault, settings.fetchRecordsMax),
    bytesMax: bounded(query, 'max_bytes', bytesDefault, settings.fetchBytesMax),
    waitMs: Math.min(waitOf(query.get('wait')), settings.fetchWaitMsMax),
    clamp: booleanIn('clamp', query.get('clamp') ?? 'false'),
    cancellation,
  };
}

/** Numbers above the door's maximum are reduced to it; the reader notices because it gets less. */
function bounded(query: URLSearchParams, name: string, byDefault: number, max: number): number {
  const text = query.get(name);
  if (text === null) return Math.min(byDefault, max);
  if (!/^\d{1,15}$/.test(text) || Number(text) < 1) {
    throw new InvalidRequest(name, `${name}=${text}: use a whole number, 1 or more`);
  }
  return Math.min(Number(text), max);
}

function waitOf(text: string | null): number {
  if (text === null) return 0;
  const match = /^(\d{1,9})(ms|s)$/.exec(text);
  if (!match) throw new InvalidRequest('wait', `wait=${text}: use a time such as 30s or 5000ms`);
  return Number(match[1]) * (match[2] === 's' ? 1000 : 1);
}

/** Throws InvalidRequest. Undefined: all partitions of the topic. */
function partitionsOf(query: URLSearchParams): number[] | undefined {
  const text = query.get('partitions') ?? query.get('partition');
  if (text === null) return undefined;
  return text.split(',').map((part) => {
    if (!/^\d{1,9}$/.test(part)) throw new InvalidRequest('partitions', `partitions=${text}: use numbers, e.g. 0,1,2`);
    return Number(part);
  });
}

type PageType = 'application/json' | typeof linesType | typeof recordBatchType;

/** The supported type that the client prefers; on a tie, the one it names first. Throws ProblemFailure not-acceptable. */
function acceptedType(accept: string | undefined): PageType | 'text/event-stream' {
  if (accept === undefined || accept === '*/*' || accept === '') return 'application/json';
  let best: PageType | 'text/event-stream' | undefined;
  let bestQuality = 0;
  for (const part of accept.split(',')) {
    const [name = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
    const quality = Number(parameters.find((text) => text.startsWith('q='))?.slice(2) ?? 1);
    const type = types.get(name);
    if (type !== undefined && quality > bestQuality) {
      best = type;
      bestQuality = quality;
    }
  }
  if (best) return best;
  throw new ProblemFailure('not-acceptable', `Accept ${accept}: use ${[...new Set(types.values())].join(', ')}`);
}

const types: ReadonlyMap<string, PageType | 'text/event-stream'> = new Map<string, PageType | 'text/event-stream'>([
  ['application/json', 'application/json'],
  ['application/*', 'application/json'],
  ['*/*', 'application/json'],
  [linesType, linesType],
  [recordBatchType, recordBatchType],
  ['text/event-stream', 'text/event-stream'],
]);
