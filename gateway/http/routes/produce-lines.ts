/**
 * NDJSON in, NDJSON out: one record per line, one result per line in the same order, streamed both ways, so that a body of
 * any length takes bounded memory. A line that is not a record gets an error as its result and the stream continues. The
 * last line of the reply sums up ({"records", "failed"}), so that a client notices a reply cut short.
 *
 * Two limits bound it: lines parsed and not yet answered (by number and bytes), and results that the client has not read
 * yet. Above either the body is paused. Above a quota it is paused too, instead of being refused halfway.
 */
import { createGunzip } from 'node:zlib';
import type { TopicEntry } from '../../../engine/engine.ts';
import { Failure, ShuttingDown } from '../../../engine/kernel/failure.ts';
import { QuotaExceeded } from '../../../tenancy/failures.ts';
import type { Principal } from '../../../tenancy/tenancy.ts';
import { admitBeside } from '../../operations/admit.ts';
import type { ProduceRecord } from '../../operations/produce.ts';
import { parseKeepingFewNumbers } from '../../operations/long-numbers.ts';
import { scanLine } from '../../operations/scan-records.ts';
import { whyStopped } from '../../operations/topics.ts';
import { parseFormat, type RecordFormat, recordOfJson } from '../../operations/record-json.ts';
import { problemOf, ProblemFailure } from '../failures.ts';
import type { DoorParts } from '../guard.ts';
import { LineSplitter } from '../line-splitter.ts';
import { countFailed, outcomeJson } from '../produce-replies.ts';
import { contentCoding, parseJson } from '../read-body.ts';
import { headersOf } from '../reply-headers.ts';
import { replyFailure } from '../reply-problem.ts';
import type { BodyFlow, HttpExchange, ReplyStream } from '../servers/server.ts';
import { requestsForRefused } from '../../weight.ts';
import { writableTopic } from './find-topic.ts';

export async function produceLines(parts: DoorParts, exchange: HttpExchange, principal: Principal): Promise<void> {
  const encoding = contentCoding(exchange.header('content-encoding'));
  const isGzip = encoding === 'gzip' || encoding === 'x-gzip';
  if (encoding !== undefined && !isGzip) {
    throw new ProblemFailure(
      'unsupported-media-type',
      `Content-Encoding ${encoding}: send NDJSON uncompressed or as gzip`,
    );
  }
  const format = parseFormat(exchange.query().get('format'));
  const topic = await writableTopic(parts.context, principal, exchange);
  if (exchange.aborted) return;
  new LineProducer(parts, exchange, principal, topic, format).start(isGzip);
}

/** Lines are parsed in slices of this size, and after this many lines other work gets its turn (fair-turns.ts). */
const sliceBytes = 4 * 1024;
const linesAtOnceMax = 1_000;

/** The lines of one slice. Their results leave together, in the order of groups. */
interface Group {
  results: string | undefined;
  readonly lines: number;
  readonly bytes: number;
}

interface Waiting {
  readonly records: ProduceRecord[];
  readonly group: Group;
  readonly faults: Map<number, string>;
  /** What its faulty lines cost (weight.ts), until they are charged. */
  refusedRequests: number;
}

class LineProducer {
  readonly #parts: DoorParts;
  readonly #exchange: HttpExchange;
  readonly #principal: Principal;
  readonly #topic: TopicEntry;
  readonly #format: RecordFormat;
  readonly #splitter: LineSplitter;
  readonly #groups: Group[] = [];
  /** Received, and not yet cut into lines. */
  #unread: Buffer[] = [];
  #working = false;
  #bodyEnded = false;
  #flow: BodyFlow | undefined;
  #stream: ReplyStream | undefined;
  #waiting: Waiting[] = [];
  /** The cost of refused lines that is not charged yet. */
  #refusedBytes = 0;
  #quotaWait = false;
  #release: () => void = () => {};
  #linesInFlight = 0;
  #bytesInFlight = 0;
  #lines = 0;
  #failed = 0;
  #clientIsSlow = false;
  #willProgress = false;
  #ended = false;
  #finished = false;

  constructor(parts: DoorParts, exchange: HttpExchange, principal: Principal, topic: TopicEntry, format: RecordFormat) {
    this.#parts = parts;
    this.#exchange = exchange;
    this.#principal = principal;
    this.#topic = topic;
    this.#format = format;
    this.#splitter = new LineSplitter(parts.context.settings.produceBytesMax);
  }

  start(gzipped: boolean): void {
    const { keyId } = this.#principal;
    this.#release = this.#parts.holders.hold(keyId, (reason) =>
      this.#refuseRest(
        reason === 'revoked'
          ? whyStopped(this.#parts.context, this.#principal)
          : new ShuttingDown('this gateway is stopping'),
      ),
    );
    this.#exchange.onAborted(() => this.#abandon());
    if (!gzipped) {
      this.#flow = this.#exchange.streamBody(
        (chunk) => this.#take(chunk),
        () => this.#end(),
      );
      return;
    }
    const gunzip = createGunzip();
    this.#exchange.onAborted(() => {
      this.#abandon();
      gunzip.destroy();
    });
    gunzip.on('data', (chunk: Buffer) => this.#take(chunk));
    gunzip.on('end', () => this.#end());
    gunzip.on('error', () => this.#refuseRest(new ProblemFailure('invalid-request', 'the body is not valid gzip')));
    // Bytes that arrived before the topic was created are delivered within the call.
    let body: BodyFlow | undefined;
    body = this.#exchange.streamBody(
      (chunk) => {
        if (!gunzip.destroyed && !gunzip.write(chunk)) body?.pause();
      },
      () => gunzip.end(),
    );
    gunzip.on('drain', () => body?.resume());
    // Back-pressure applies to the decompressed bytes; gunzip then stops taking input, which pauses the body itself.
    this.#flow = { pause: () => gunzip.pause(), resume: () => gunzip.resume() };
  }

  /** The client is gone: what waits for a quota has nobody to answer, and must not be kept until it could be stored. */
  #abandon(): void {
    this.#release();
    this.#dropWaiting();
  }

  /** In slices: half a megabyte of two-byte lines at once would block the process for seconds and exceed every limit. */
  #take(chunk: Buffer): void {
    if (this.#finished || this.#ended) return;
    for (let at = 0; at < chunk.length; at += sliceBytes) this.#unread.push(chunk.subarray(at, at + sliceBytes));
    this.#workInTurn('now-or-later');
  }

  /**
   * Works in the cluster's share of a turn, in which many streams may have lines. `later`: after an answer, whose callback
   * may be the producer's, which must not be re-entered.
   */
  #workInTurn(when: 'now-or-later' | 'later'): void {
    if (this.#working) return;
    this.#working = true;
    const { turns } = this.#parts.context;
    const { clusterId } = this.#principal;
    const work = (): void => this.#safely(() => this.#work());
    if (when === 'later') turns.later(clusterId, work);
    else turns.begin(clusterId, work);
    if (this.#working) this.#flow?.pause();
  }

  /** Parses what has arrived, as far as the limits allow, and no more lines at once than other work can wait for. */
  #work(): void {
    let lines = 0;
    let isTired = false;
    while (this.#unread.length > 0 && !this.#ended && !this.#isFull() && !isTired) {
      lines += this.#split(this.#unread.shift()!);
      isTired = lines >= linesAtOnceMax;
    }
    if (this.#ended) this.#unread = [];
    this.#working = false;
    if (isTired && this.#unread.length > 0) this.#workInTurn('later');
    else if (this.#bodyEnded && this.#unread.length === 0) this.#finish();
    else this.#steer();
  }

  /** How many lines the chunk ends, including empty ones. */
  #split(slice: Buffer): number {
    const lines: Buffer[] = [];
    const isWithinLimit = this.#splitter.push(slice, (line) => lines.push(line));
    this.#add(lines);
    if (isWithinLimit) return lines.length;
    const { produceBytesMax } = this.#parts.context.settings;
    this.#refuseRest(
      new ProblemFailure('body-too-large', `a line is larger than ${produceBytesMax} bytes`, {
        limit: produceBytesMax,
      }),
    );
    return lines.length;
  }

  #end(): void {
    this.#bodyEnded = true;
    this.#workInTurn('now-or-later');
  }

  #finish(): void {
    if (this.#ended) return;
    this.#add([this.#splitter.end()]);
    this.#ended = true;
    this.#progress();
  }

  /** A fault of the stream itself: one last error line, and nothing more is read. */
  #refuseRest(error: Failure): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#lines++;
    this.#failed++;
    this.#groups.push({ results: `${this.#faultLine(error)}\n`, lines: 0, bytes: 0 });
    this.#progress();
  }

  #add(lines: readonly Buffer[]): void {
    const records: ProduceRecord[] = [];
    const faults = new Map<number, string>();
    let bytes = 0;
    let count = 0;
    for (const line of lines) {
      if (line.length === 0) continue;
      bytes += line.length;
      const name = `line ${this.#lines + count + 1}`;
      try {
        records.push(this.#recordOf(line, name));
      } catch (error) {
        faults.set(count, this.#faultLine(error));
        this.#failed++;
        this.#refusedBytes += line.length;
      }
      count++;
    }
    if (count === 0) return;
    const group: Group = { results: undefined, lines: count, bytes };
    this.#groups.push(group);
    this.#lines += count;
    this.#linesInFlight += count;
    this.#bytesInFlight += bytes;
    this.#parts.bodyMemory.take(this.#principal.clusterId, bytes);
    const refusedRequests = requestsForRefused(this.#refusedBytes);
    if (refusedRequests > 0) this.#refusedBytes = 0;
    this.#waiting.push({ records, group, faults, refusedRequests });
    this.#produce();
  }

  #recordOf(line: Buffer, name: string): ProduceRecord {
    const plain = this.#format === 'json' ? scanLine(line) : undefined;
    return plain ?? recordOfJson(parseJson(line, name, parseKeepingFewNumbers), this.#format, name);
  }

  /** In order: a group that must wait for quota holds back the groups behind it. */
  #produce(): void {
    const { context, producer } = this.#parts;
    if (this.#exchange.aborted) return this.#dropWaiting();
    while (!this.#quotaWait) {
      // Remove it from the list first: answering may re-enter this function.
      const next = this.#waiting.shift();
      if (!next) return;
      try {
        admitBeside(context, this.#principal, next.refusedRequests);
        next.refusedRequests = 0;
        if (next.records.length === 0) this.#answer(next.group, [], next.faults);
        else {
          producer.produce(this.#principal, this.#topic, next.records, (outcomes) => {
            for (const { errorCode } of outcomes) if (errorCode !== 0) this.#failed++;
            countFailed(context, 'http', outcomes);
            this.#answer(next.group, outcomes.map(outcomeJson), next.faults);
          });
        }
      } catch (error) {
        if (error instanceof QuotaExceeded && error.retryable) {
          this.#waiting.unshift(next);
          this.#quotaWait = true;
          context.clock.after(error.retryAfterMs, () => {
            this.#quotaWait = false;
            this.#safely(() => this.#produce());
          });
          return;
        }
        const fault = this.#faultLine(error, next.records.length);
        this.#failed += next.records.length;
        this.#answer(
          next.group,
          next.records.map(() => fault),
          next.faults,
        );
      }
    }
  }

  #dropWaiting(): void {
    for (const { group } of this.#waiting.splice(0))
      this.#parts.bodyMemory.give(this.#principal.clusterId, group.bytes);
  }

  #answer(group: Group, results: readonly string[], faults: ReadonlyMap<number, string>): void {
    let text = '';
    let next = 0;
    for (let i = 0; i < group.lines; i++) text += `${faults.get(i) ?? results[next++] ?? ''}\n`;
    group.results = text;
    this.#linesInFlight -= group.lines;
    this.#bytesInFlight -= group.bytes;
    this.#parts.bodyMemory.give(this.#principal.clusterId, group.bytes);
    this.#progressSoon();
    if (this.#unread.length > 0) this.#workInTurn('later');
    else this.#steer();
  }

  /** For our own turns, whose errors nobody else would see: a bug ends the reply before its sum. */
  #safely(run: () => void): void {
    try {
      run();
    } catch (error) {
      replyFailure(this.#parts.context, this.#exchange, error);
      this.#ended = true;
      this.#finished = true;
      this.#unread = [];
      this.#dropWaiting();
      this.#release();
      this.#stream?.end();
    }
  }

  /** At the end of this turn: the groups of one batch are answered one after the other, and their results leave in one write. */
  #progressSoon(): void {
    if (this.#willProgress) return;
    this.#willProgress = true;
    this.#parts.context.clock.endOfTurn(() => {
      this.#willProgress = false;
      this.#safely(() => this.#progress());
    });
  }

  /** Sends the results that are ready and next in order. */
  #progress(): void {
    if (this.#finished || this.#exchange.aborted) return;
    let text = '';
    while (this.#groups[0]?.results !== undefined) text += this.#groups.shift()?.results ?? '';
    const isLast = this.#ended && this.#groups.length === 0;
    if (isLast) text += `{"records":${this.#lines},"failed":${this.#failed}}\n`;
    if (text === '') return;
    const stream = this.#open();
    if (!stream.write(text)) this.#clientIsSlow = true;
    if (!isLast) return;
    this.#finished = true;
    this.#release();
    stream.end();
  }

  #open(): ReplyStream {
    if (this.#stream) return this.#stream;
    const stream = this.#exchange.startStream(200, headersOf(this.#exchange, 'application/x-ndjson'));
    stream.onDrain(() => {
      this.#clientIsSlow = false;
      this.#workInTurn('now-or-later');
    });
    return (this.#stream = stream);
  }

  /** The result of `lines` lines. */
  #faultLine(error: unknown, lines = 1): string {
    if (!(error instanceof Failure)) throw error;
    const fault = problemOf(error);
    this.#parts.context.traffic.failedInside('http', 'produce', fault.code, lines);
    return JSON.stringify({ error: fault });
  }

  #isFull(): boolean {
    const { linesInFlightMax, lineBytesInFlightMax } = this.#parts.settings;
    const isOver = this.#linesInFlight > linesInFlightMax || this.#bytesInFlight > lineBytesInFlightMax;
    // When lines under way are answered, this runs again; with none there would be nothing to continue the stream.
    const isOverTogether = this.#linesInFlight > 0 && this.#parts.bodyMemory.isFullFor(this.#principal.clusterId);
    return isOver || isOverTogether || this.#clientIsSlow;
  }

  #steer(): void {
    if (this.#isFull() || this.#unread.length > 0) this.#flow?.pause();
    else this.#flow?.resume();
  }
}
