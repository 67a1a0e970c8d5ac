/**
 * One Fetch to one owner, and everything its answer needs. When the owner only says where records lie, they are read
 * (near-segments.ts) before the caller gets the result. They are read in the order of the answer and within its limits,
 * as the owner would have. What cannot be read here is requested once more, this time with its records.
 */
import type { FetchedPartition } from '../engine.ts';
import type { Clock } from '../kernel/clock.ts';
import { Failure } from '../kernel/failure.ts';
import { SharedFrame } from '../kernel/frame-pool.ts';
import { type Link, linkDefaults } from '../link/link.ts';
import { errorCode } from '../protocol/error-codes.ts';
import {
  type Answered,
  type Asked,
  type FetchLimits,
  fetchedOf,
  fetchKey,
  fetchRequestOf,
  fetchVersion,
  offsetBehind,
  recordBytes,
} from './fetch-message.ts';
import type { LocatedSegment } from '../log/log.ts';
import type { NearSegments } from './near-segments.ts';

export interface OwnerReply {
  /**
   * One result for each partition that the owner answered; `errorCode` is that of the whole answer. The memory of the
   * records is released after the call: a caller that keeps some of it must hold its frames.
   */
  answered(fetched: readonly FetchedPartition[], errorCode: number): void;
  failed(): void;
}

interface Question {
  readonly link: Link;
  readonly asked: readonly Asked[];
  readonly limits: FetchLimits;
  /** Asks the owner even when the places of all are known. */
  readonly mustAsk: boolean;
}

/** Calls one method of `reply` once: in a later turn or, over a closed link, at once. */
export function askOwner(question: Question, clock: Clock, near: NearSegments | undefined, reply: OwnerReply): void {
  const { link, asked, limits } = question;
  const reader = near?.isReadable() ? near : undefined;
  const known = question.mustAsk ? undefined : reader?.places.answersTo(asked);
  if (reader && known) return readUnasked(question, clock, reader, known, reply);
  const sentMs = clock.monotonicMs();
  const request = fetchRequestOf(asked, limits, reader !== undefined);
  link.send(
    fetchKey,
    fetchVersion,
    request,
    {
      answered: (response, bytes) => {
        const frame = new SharedFrame(bytes);
        const answers = fetchedOf(response, frame);
        const done = (fetched: readonly FetchedPartition[]): void => {
          reply.answered(fetched, response.errorCode);
          frame.drop();
        };
        if (!reader || answers.every(({ segments }) => segments === undefined)) return done(answers);
        reader.places.note(asked, answers, sentMs);
        const again = (): void => {
          frame.drop();
          reader.failed();
          askOwner({ ...question, limits: { ...limits, maxWaitMs: 0 } }, clock, undefined, reply);
        };
        new LocatedReads(reader, clock, question, answers, done, again).run();
      },
      failed: () => reply.failed(),
    },
    { waitMs: limits.maxWaitMs },
  );
}

/** `known`: what the owner said a moment ago and would say now. If its files are gone, the owner is asked after all. */
function readUnasked(
  question: Question,
  clock: Clock,
  near: NearSegments,
  known: readonly Answered[],
  reply: OwnerReply,
): void {
  near.metrics.unasked++;
  const done = (fetched: readonly FetchedPartition[]): void => reply.answered(fetched, errorCode.none);
  const again = (): void => {
    near.places.forget(question.asked);
    askOwner(question, clock, near, reply);
  };
  clock.endOfTurn(() => new LocatedReads(near, clock, question, known, done, again).run());
}

/** A longer read is given up, like an owner that is silent for that long. */
const readMsMax = linkDefaults.answerMsMax;
/**
 * Reading takes the event loop a third of a millisecond per mebibyte, checksums included. After this many bytes, others
 * get a turn.
 */
const turnBytesMax = 4 * 1024 * 1024;

const nothing = Buffer.alloc(0);

/** Progress of the reads of one partition. */
interface Current {
  /** Index of the answer's segment being read. */
  segment: number;
  bytes: number;
  readonly records: Buffer[];
  readonly frames: SharedFrame[];
}

const beginning = (): Current => ({ segment: 0, bytes: 0, records: [], frames: [] });

class LocatedReads {
  readonly #near: NearSegments;
  readonly #clock: Clock;
  readonly #bytesMax: number;
  /** By partition, because there may be thousands. */
  readonly #asked: ReadonlyMap<string, Asked>;
  readonly #answers: readonly Answered[];
  readonly #done: (fetched: readonly FetchedPartition[]) => void;
  readonly #again: () => void;
  readonly #fetched: FetchedPartition[] = [];
  /** Frames of what was read here. */
  readonly #frames: SharedFrame[] = [];
  #current = beginning();
  #bytes = 0;
  #turnBytes = 0;

  constructor(
    near: NearSegments,
    clock: Clock,
    { asked, limits }: Question,
    answers: readonly Answered[],
    done: (fetched: readonly FetchedPartition[]) => void,
    again: () => void,
  ) {
    this.#near = near;
    this.#clock = clock;
    this.#bytesMax = limits.maxBytes;
    this.#asked = new Map(asked.map((each) => [keyOf(each), each]));
    this.#answers = answers;
    this.#done = done;
    this.#again = again;
  }

  run(): void {
    this.#turnBytes = 0;
    while (this.#fetched.length < this.#answers.length) {
      if (this.#turnBytes >= turnBytesMax) return this.#clock.endOfTurn(() => this.run());
      const answer = this.#answers[this.#fetched.length]!;
      const segment = answer.segments?.[this.#current.segment];
      if (!segment) {
        this.#pass(answer);
        continue;
      }
      try {
        const found = this.#read(answer, segment);
        if (found instanceof Promise) return this.#await(answer, segment, found);
        this.#take(answer, segment, found);
      } catch (error) {
        return this.#failed(answer, error);
      }
    }
    this.#done(this.#fetched);
    this.#dropFrames();
  }

  #await(answer: Answered, segment: LocatedSegment, found: Promise<Buffer>): void {
    let isOver = false;
    const timer = this.#clock.after(readMsMax, () => {
      isOver = true;
      this.#giveUp(answer);
    });
    found.then(
      (bytes) => {
        if (isOver) return;
        timer.cancel();
        this.#take(answer, segment, bytes);
        this.run();
      },
      (error: unknown) => {
        if (isOver) return;
        timer.cancel();
        this.#failed(answer, error);
      },
    );
  }

  #read(answer: Answered, segment: LocatedSegment): Buffer | Promise<Buffer> {
    const asked = this.#asked.get(keyOf(answer))!;
    const isFirst = this.#bytes === 0;
    const room = Math.min(asked.maxBytes - this.#current.bytes, this.#bytesMax - this.#bytes);
    // The owner used an estimate, so no room may be left.
    if (!isFirst && room <= 0) return nothing;
    return this.#near.read(segment, asked.offset, Math.max(0, room), isFirst);
  }

  /** Passes on an answer that already has its records, if any. */
  #pass(answer: Answered): void {
    this.#bytes += recordBytes(answer.records);
    this.#fetched.push(answer);
  }

  /** After the end of a segment, continues with the next one, as far as the owner named any. */
  #take(answer: Answered, segment: LocatedSegment, found: Buffer): void {
    if (found.length > 0) {
      const frame = new SharedFrame(found);
      this.#frames.push(frame);
      this.#current.frames.push(frame);
      this.#current.records.push(found);
      this.#bytes += found.length;
      this.#turnBytes += found.length;
      this.#current.bytes += found.length;
      const isRead = offsetBehind([found], segment.baseOffset) >= segment.endOffset;
      if (isRead && ++this.#current.segment < answer.segments!.length) return;
    }
    this.#end(answer);
  }

  #end(answer: Answered): void {
    const { records, frames } = this.#current;
    this.#fetched.push({ ...answer, records, frames });
    this.#current = beginning();
  }

  #failed(answer: Answered, error: unknown): void {
    if (!(error instanceof Failure)) throw error;
    this.#giveUp(answer);
  }

  /** A reader that continues meets the failure again, at the start of a fetch. */
  #giveUp(answer: Answered): void {
    if (this.#current.bytes > 0) {
      this.#end(answer);
      return this.#clock.endOfTurn(() => this.run());
    }
    this.#dropFrames();
    this.#again();
  }

  #dropFrames(): void {
    for (const frame of this.#frames) frame.drop();
  }
}

function keyOf({ topicId, partition }: Pick<Asked, 'topicId' | 'partition'>): string {
  return `${topicId}${partition}`;
}
