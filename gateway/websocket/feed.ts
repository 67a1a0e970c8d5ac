/** One subscription on a socket: what the log has becomes frames, as credit and the outbox allow. */
import type { TopicEntry } from '../../engine/engine.ts';
import type { Principal } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import { kafkaProblem, type Problem, problemOf } from '../http/failures.ts';
import type { Position } from '../operations/cursor.ts';
import { resolveStart } from '../operations/positions.ts';
import type { UnreadableRecords } from '../operations/record-json.ts';
import { cursorText, type ReaderStart } from '../operations/reader-start.ts';
import { type Delivery, Subscription } from '../operations/subscribe.ts';
import type { SubscribeCommand } from './commands.ts';
import type { Outbox } from './outbox.ts';
import { chunkFrame, type SharedChunk, type SharedFrames } from './shared-frames.ts';

export interface FeedSurroundings {
  readonly context: GatewayContext;
  readonly principal: Principal;
  readonly outbox: Outbox;
  readonly isBinary: boolean;
  readonly frames: SharedFrames;
  readonly frameLengthTarget: number;
  /** The feed has ended by itself, and the client was told. */
  readonly ended: () => void;
  /** False: the cluster serves no more; the socket is being closed. */
  readonly mayServe: () => boolean;
}

export class Feed {
  readonly #sub: number;
  readonly #around: FeedSurroundings;
  readonly #topic: TopicEntry;
  readonly #wholeTopic: boolean;
  readonly #format: SubscribeCommand['format'];
  readonly #subscription: Subscription;
  #closed = false;
  /** Where the frames that were sent end: behind the subscription's own positions while a batch is being sent. */
  readonly #sent: Map<number, number>;

  constructor(around: FeedSurroundings, topic: TopicEntry, start: ReaderStart, command: SubscribeCommand) {
    this.#around = around;
    this.#sub = command.sub;
    this.#topic = topic;
    this.#wholeTopic = start.wholeTopic;
    this.#format = command.format;
    this.#sent = new Map(start.positions.map(({ partition, offset }) => [partition, offset]));
    const credit = command.credit ?? { records: Infinity, bytes: Infinity };
    const holder = {
      deliver: (delivery: Delivery) => this.#deliver(delivery),
      gap: (partition: number, from: number, to: number) => this.#gap(partition, from, to),
      failed: (code: number, message: string) => this.#failed(kafkaProblem(code, message)),
      unreadable: (error: UnreadableRecords) => this.#failed(problemOf(error)),
    };
    const unit = around.isBinary ? 'batches' : 'records';
    this.#subscription = new Subscription(
      around.context,
      around.principal,
      topic,
      start.positions,
      credit,
      holder,
      unit,
    );
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

  positions(): Position[] {
    return [...this.#sent].map(([partition, offset]) => ({ partition, offset }));
  }

  cursor(): string {
    return cursorText(this.#topic, this.#wholeTopic, this.positions());
  }

  /** Records behind the end, over all partitions. */
  async lag(): Promise<number> {
    const positions = this.positions();
    const partitions = positions.map(({ partition }) => partition);
    const ends = await resolveStart(this.#around.context, this.#topic, partitions, { at: 'latest' });
    return ends.reduce((sum, { offset }, i) => sum + Math.max(0, offset - positions[i]!.offset), 0);
  }

  #deliver(delivery: Delivery): void | Promise<void> {
    const { outbox, isBinary, frameLengthTarget, frames, mayServe } = this.#around;
    if (!mayServe()) return undefined;
    if (isBinary) {
      outbox.send(frames.binary(this.#sub, delivery), true);
      this.#sent.set(delivery.partition, delivery.nextOffset);
      return outbox.room();
    }
    const chunks = frames.chunks(this.#topic.topicId, delivery, this.#format, frameLengthTarget);
    return chunks instanceof Promise
      ? chunks.then((made) => this.#sendChunks(made, 0, delivery))
      : this.#sendChunks(chunks, 0, delivery);
  }

  #sendChunks(chunks: readonly SharedChunk[], from: number, delivery: Delivery): void | Promise<void> {
    const { outbox } = this.#around;
    for (let i = from; i < chunks.length; i++) {
      if (this.#closed) return undefined;
      const chunk = chunks[i]!;
      this.#sent.set(delivery.partition, chunk.endOffset);
      outbox.send(chunkFrame(chunk, this.#sub, this.#cursorAt(chunk)));
      const room = outbox.room();
      if (room) return room.then(() => this.#sendChunks(chunks, i + 1, delivery));
    }
    if (!this.#closed) this.#sent.set(delivery.partition, delivery.nextOffset);
    return undefined;
  }

  /** A reader of one partition has the cursor that the reader before it had at this place. */
  #cursorAt(chunk: SharedChunk): string {
    if (this.#sent.size !== 1) return this.cursor();
    const mark = this.#wholeTopic ? 1 : 0;
    return (chunk.cursors[mark] ??= this.cursor());
  }

  #gap(partition: number, from: number, to: number): void {
    this.#sent.set(partition, to);
    const event = { event: 'gap', sub: this.#sub, partition, from, earliest: to, next: this.cursor() };
    this.#around.outbox.send(JSON.stringify(event));
  }

  #failed(error: Problem): void {
    this.#closed = true;
    this.#around.outbox.send(JSON.stringify({ event: 'error', sub: this.#sub, error }));
    this.#around.ended();
  }
}
