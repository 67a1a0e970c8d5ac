/**
 * Server-sent events: one event per record. Its id is the cursor behind the record, so a reconnecting EventSource continues
 * where it stopped. A slow client pauses reading; nothing is buffered for it.
 */
import type { Timer } from '../../../engine/kernel/clock.ts';
import { below } from '../../../engine/kernel/random.ts';
import type { TopicEntry } from '../../../engine/engine.ts';
import type { Principal } from '../../../tenancy/tenancy.ts';
import { admitConnection } from '../../operations/admit.ts';
import { parseFormat, type RecordFormat } from '../../operations/record-json.ts';
import type { Position } from '../../operations/cursor.ts';
import type { RecordChunk } from '../../operations/records-to-json.ts';
import { cursorText, type ReaderStart } from '../../operations/reader-start.ts';
import { type NamedStyle, SharedChunks } from '../../operations/shared-chunks.ts';
import { type Delivery, Subscription } from '../../operations/subscribe.ts';
import { kafkaProblem, type Problem, problemOf } from '../failures.ts';
import type { DoorParts } from '../guard.ts';
import { headersOf } from '../reply-headers.ts';
import type { HttpExchange, ReplyStream } from '../servers/server.ts';

/**
 * With more partitions than this only the last record of a batch carries an id: a cursor per record would be larger than
 * the records.
 */
const idPerRecordPartitionsMax = 32;
const chunkBytesMax = 64 * 1024;

/** For the events of streams in step. */
export function sharedEvents(): SharedChunks<RecordChunk> {
  return new SharedChunks({ keep: (_partition, chunk) => chunk, weight: 1, chunkBytesMax });
}

export function eventStream(
  parts: DoorParts,
  exchange: HttpExchange,
  principal: Principal,
  topic: TopicEntry,
  start: ReaderStart,
): void {
  const format = parseFormat(exchange.query().get('format'));
  admitConnection(parts.context, principal);
  let stream: EventStream;
  try {
    stream = new EventStream(parts, exchange, principal, topic, start, format);
  } catch (error) {
    parts.context.tenancy.limiter.disconnect(principal.clusterId);
    throw error;
  }
  stream.start();
}

class EventStream {
  readonly #parts: DoorParts;
  readonly #exchange: HttpExchange;
  readonly #principal: Principal;
  readonly #topic: TopicEntry;
  readonly #wholeTopic: boolean;
  readonly #format: RecordFormat;
  readonly #subscription: Subscription;
  readonly #stream: ReplyStream;
  readonly #release: () => void;
  readonly #timers: Timer[] = [];
  #heartbeat: Timer | undefined;
  #onDrained: () => void = () => {};
  #ended = false;

  constructor(
    parts: DoorParts,
    exchange: HttpExchange,
    principal: Principal,
    topic: TopicEntry,
    start: ReaderStart,
    format: RecordFormat,
  ) {
    this.#parts = parts;
    this.#exchange = exchange;
    this.#principal = principal;
    this.#topic = topic;
    this.#wholeTopic = start.wholeTopic;
    this.#format = format;
    const boundless = { records: Infinity, bytes: Infinity };
    this.#subscription = new Subscription(parts.context, principal, topic, start.positions, boundless, {
      deliver: (delivery) => this.#deliver(delivery),
      gap: (partition, from, to) =>
        this.#write(`event: gap\ndata: {"partition":${partition},"from":${from},"earliest":${to}}\n\n`),
      unavailable: (partition, why) => {
        const told = problemOf(why);
        parts.context.traffic.failedInside('http', 'read', told.code);
        this.#write(`event: unavailable\ndata: ${JSON.stringify({ partition, problem: told })}\n\n`);
      },
      available: (partition) => this.#write(`event: available\ndata: {"partition":${partition}}\n\n`),
      failed: (code, message) => this.#fail(kafkaProblem(code, message)),
      unreadable: (error) => this.#fail(problemOf(error)),
    });
    this.#stream = exchange.startStream(200, headersOf(exchange, 'text/event-stream', [['x-accel-buffering', 'no']]));
    this.#release = parts.holders.hold(principal.keyId, () => this.#end());
  }

  start(): void {
    const { context, settings } = this.#parts;
    this.#exchange.onAborted(() => this.#end());
    if (this.#exchange.method === 'HEAD') this.#end();
    if (this.#ended) return;
    this.#stream.onDrain(() => this.#onDrained());
    // Send an id at once: a client that is cut off before the first record resumes from here and misses nothing.
    this.#write(
      `retry: ${settings.eventStreamRetryMs}\nid: ${cursorText(this.#topic, this.#wholeTopic, this.#positions())}\n\n`,
    );
    this.#beat();
    const lifeMs = settings.eventStreamMs + below(context.random, Math.max(1, Math.floor(settings.eventStreamMs / 10)));
    this.#timers.push(context.clock.after(lifeMs, () => this.#end(), 'background'));
    this.#subscription.start();
  }

  #beat(): void {
    const { context, settings } = this.#parts;
    this.#heartbeat = context.clock.after(
      settings.eventStreamHeartbeatMs,
      () => {
        // A suspended cluster reads no more. This timer checks its streams, so that suspending need not visit each of them.
        if (context.tenancy.cluster(this.#principal.clusterId)?.state !== 'serving') {
          this.#end();
          return;
        }
        this.#write(': \n\n');
        this.#beat();
      },
      'background',
    );
  }

  /** By partition: streams in step then have the same cursor, and share their events. */
  #positions(): Position[] {
    const positions = this.#subscription.positions();
    if (positions.length > 1) positions.sort((a, b) => a.partition - b.partition);
    return positions;
  }

  #deliver(delivery: Delivery): void | Promise<void> {
    return this.#deliverFrom(delivery, delivery.fromOffset, this.#styleOf(delivery));
  }

  /** Named after all that the events contain beside their records: the cursor. */
  #styleOf({ partition, nextOffset }: Delivery): NamedStyle {
    const positions = this.#positions();
    const perRecord = positions.length <= idPerRecordPartitionsMax;
    const at = positions.findIndex((position) => position.partition === partition);
    const cursor = (): string => cursorText(this.#topic, this.#wholeTopic, positions);
    // Behind all of the delivery, where the subscription stands already.
    const last = positions.length > 1 ? cursor() : undefined;
    return {
      name: last ?? (this.#wholeTopic ? 'whole topic' : 'one partition'),
      before: (output, offset) => {
        if (perRecord || offset === nextOffset - 1) {
          if (perRecord) positions[at] = { partition, offset: offset + 1 };
          output.ascii('id: ');
          output.ascii(perRecord ? cursor() : last!);
          output.ascii('\n');
        }
        output.ascii('data: ');
      },
      after: '\n\n',
    };
  }

  #deliverFrom(delivery: Delivery, fromOffset: number, style: NamedStyle): void | Promise<void> {
    const { topicId } = this.#topic;
    const part = { ...delivery, fromOffset };
    const chunks = this.#parts.events.of(topicId, part, this.#format, style, this.#principal.clusterId);
    if (!(chunks instanceof Promise)) return this.#send(chunks, 0, delivery, style);
    return chunks.then((made) => this.#inTurn(() => this.#send(made, 0, delivery, style)));
  }

  #send(chunks: readonly RecordChunk[], first: number, delivery: Delivery, style: NamedStyle): void | Promise<void> {
    for (let i = first; i < chunks.length; i++) {
      if (this.#ended) return undefined;
      if (this.#stream.write(chunks[i]!.json)) continue;
      return this.#drained().then(() => this.#inTurn(() => this.#send(chunks, i + 1, delivery, style)));
    }
    const end = chunks[chunks.length - 1]?.endOffset ?? delivery.nextOffset;
    // A very large batch has more records.
    return this.#ended || end >= delivery.nextOffset ? undefined : this.#deliverFrom(delivery, end, style);
  }

  /** Many streams may go on together: when their sockets have drained, or their batches are decompressed. */
  #inTurn<T>(work: () => T | Promise<T>): T | Promise<T> {
    return this.#parts.context.turns.goOn(this.#principal.clusterId, work);
  }

  /** Waiting within a delivery pauses the whole subscription. */
  #drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#onDrained = resolve;
    });
  }

  /** For the few bytes that are not records. */
  #write(text: string): void {
    if (!this.#ended) this.#stream.write(text);
  }

  #fail(why: Problem): void {
    this.#parts.context.traffic.failedInside('http', 'read', why.code);
    this.#write(`event: failure\ndata: ${JSON.stringify(why)}\n\n`);
    this.#end();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#subscription.close();
    this.#onDrained();
    this.#heartbeat?.cancel();
    for (const timer of this.#timers) timer.cancel();
    this.#release();
    this.#parts.context.tenancy.limiter.disconnect(this.#principal.clusterId);
    this.#stream.end();
  }
}
