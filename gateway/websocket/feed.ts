/** One subscription on a socket: turns the log's records into frames, as credit and the outbox allow. */
import type { TopicEntry } from '../../engine/engine.ts';
import type { Failure } from '../../engine/kernel/failure.ts';
import type { Principal } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import { kafkaProblem, type Problem, problemOf } from '../http/failures.ts';
import type { Position } from '../operations/cursor.ts';
import { resolveStart } from '../operations/positions.ts';
import type { UnreadableRecords } from '../operations/records-to-json.ts';
import { cursorText, type ReaderStart } from '../operations/reader-start.ts';
import { type Delivery, Subscription, type SubscriptionHolder } from '../operations/subscribe.ts';
import type { SubscribeCommand } from './commands.ts';
import type { Outbox } from './outbox.ts';
import { chunkFrame, type SharedChunk, type SharedFrames } from './shared-frames.ts';

/**
 * The session, as its feeds see it. Feeds share it instead of having closures or objects of their own: most sockets wait
 * silently.
 */
export interface FeedHost {
  readonly context: GatewayContext;
  readonly principal: Principal;
  readonly outbox: Outbox;
  readonly isBinary: boolean;
  readonly frames: SharedFrames;
  /** The feed has ended itself, and the client was told. */
  feedEnded(sub: number): void;
  /** False: the cluster no longer serves; the socket is being closed. */
  mayServe(): boolean;
}

export class Feed implements SubscriptionHolder {
  readonly sub: number;
  readonly #host: FeedHost;
  readonly #wholeTopic: boolean;
  readonly #format: SubscribeCommand['format'];
  readonly #subscription: Subscription;
  #closed = false;
  /** Where the frames sent so far end, while that differs from the subscription's position: within a batch, at a gap. */
  #sent: Position | undefined;

  constructor(host: FeedHost, topic: TopicEntry, start: ReaderStart, command: SubscribeCommand) {
    this.#host = host;
    this.sub = command.sub;
    this.#wholeTopic = start.wholeTopic;
    this.#format = command.format;
    const credit = command.credit ?? { records: Infinity, bytes: Infinity };
    const unit = host.isBinary ? 'batches' : 'records';
    this.#subscription = new Subscription(host.context, host.principal, topic, start.positions, credit, this, unit);
  }

  start(): void {
    this.#subscription.start();
  }

  grant(records: number, bytes: number): void {
    this.#subscription.grant(records, bytes);
  }

  pause(): void {
    this.#subscription.pause();
  }

  resume(): void {
    this.#subscription.resume();
  }

  close(): void {
    this.#closed = true;
    this.#subscription.close();
  }

  /**
   * By partition, and not in the subscription's turn order: subscriptions in step then have the same cursor and share
   * frames.
   */
  positions(): Position[] {
    const sent = this.#sent;
    const positions = this.#subscription.positions();
    if (positions.length > 1) positions.sort((a, b) => a.partition - b.partition);
    return sent ? positions.map((each) => (each.partition === sent.partition ? sent : each)) : positions;
  }

  cursor(): string {
    return cursorText(this.#subscription.topic, this.#wholeTopic, this.positions());
  }

  /** Records up to the end of the log, over all partitions. */
  async lag(): Promise<number> {
    const positions = this.positions();
    const partitions = positions.map(({ partition }) => partition);
    const { context } = this.#host;
    const ends = await resolveStart(context, this.#subscription.topic, partitions, { at: 'latest' });
    return ends.reduce((sum, { offset }, i) => sum + Math.max(0, offset - positions[i]!.offset), 0);
  }

  // --- SubscriptionHolder ---

  deliver(delivery: Delivery): void | Promise<void> {
    const { outbox, isBinary, frames } = this.#host;
    if (!this.#host.mayServe()) {
      this.#sent = { partition: delivery.partition, offset: delivery.fromOffset };
      // Otherwise records after this point would move the position from which a cursor continues.
      this.#subscription.close();
      return undefined;
    }
    this.#sent = undefined;
    if (isBinary) {
      outbox.send(frames.binary(this.sub, delivery), true);
      return outbox.room();
    }
    return this.#sendRecords(delivery);
  }

  #sendRecords(delivery: Delivery): void | Promise<void> {
    const { frames, principal } = this.#host;
    const { topicId } = this.#subscription.topic;
    const chunks = frames.chunks(topicId, delivery, this.#format, principal.clusterId);
    if (!(chunks instanceof Promise)) return this.#sendChunks(chunks, 0, delivery);
    this.#sent = { partition: delivery.partition, offset: delivery.fromOffset };
    return chunks.then((made) => this.#inTurn(() => this.#sendChunks(made, 0, delivery)));
  }

  #sendChunks(chunks: readonly SharedChunk[], from: number, delivery: Delivery): void | Promise<void> {
    const { outbox } = this.#host;
    const { partition, nextOffset } = delivery;
    for (let i = from; i < chunks.length; i++) {
      if (this.#closed) return undefined;
      const chunk = chunks[i]!;
      // The subscription's position is just after the last record, unless the batch ends with entries that are not records.
      this.#sent = chunk.endOffset === nextOffset ? undefined : { partition, offset: chunk.endOffset };
      outbox.send(chunkFrame(chunk, this.sub, this.#cursorAt(chunk)));
      const room = outbox.room();
      if (room) return room.then(() => this.#inTurn(() => this.#sendChunks(chunks, i + 1, delivery)));
    }
    if (this.#closed) return undefined;
    // A very large batch has more records.
    const end = chunks[chunks.length - 1]?.endOffset ?? nextOffset;
    if (end < nextOffset) return this.#sendRecords({ ...delivery, fromOffset: end });
    this.#sent = undefined;
    return undefined;
  }

  #inTurn<T>(work: () => T | Promise<T>): T | Promise<T> {
    return this.#host.context.turns.goOn(this.#host.principal.clusterId, work);
  }

  /** A reader of one partition has the same cursor that the previous reader had at this place. */
  #cursorAt(chunk: SharedChunk): string {
    if (!this.#subscription.isOfOne) return this.cursor();
    const mark = this.#wholeTopic ? 1 : 0;
    return (chunk.cursors[mark] ??= this.cursor());
  }

  gap(partition: number, from: number, to: number): void {
    this.#sent = { partition, offset: to };
    const event = { event: 'gap', sub: this.sub, partition, from, earliest: to, next: this.cursor() };
    this.#host.outbox.send(JSON.stringify(event));
  }

  unavailable(partition: number, why: Failure): void {
    const told = problemOf(why);
    this.#host.context.traffic.failedInside('websocket', 'read', told.code);
    const event = { event: 'unavailable', sub: this.sub, partition, problem: told };
    this.#host.outbox.send(JSON.stringify(event));
  }

  available(partition: number): void {
    this.#host.outbox.send(JSON.stringify({ event: 'available', sub: this.sub, partition }));
  }

  failed(code: number, message: string): void {
    this.#end(kafkaProblem(code, message));
  }

  unreadable(error: UnreadableRecords): void {
    this.#end(problemOf(error));
  }

  #end(error: Problem): void {
    this.#closed = true;
    this.#host.context.traffic.failedInside('websocket', 'read', error.code);
    this.#host.outbox.send(JSON.stringify({ event: 'error', sub: this.sub, error }));
    this.#host.feedEnded(this.sub);
  }
}
