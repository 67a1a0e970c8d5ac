/**
 * One Fetch to one owner, and all that belongs to its answer: records that the owner only said where they are (near-segments.ts)
 * are read before whoever asked is told. They are read in the order of the answer and within its limits, as the owner would
 * have; what cannot be read here is asked for once more, with its records.
 */
import type { FetchedPartition } from '../engine.ts';
import type { Clock } from '../kernel/clock.ts';
import { Failure } from '../kernel/failure.ts';
import { SharedFrame } from '../kernel/frame-pool.ts';
import { type Link, linkDefaults } from '../link/link.ts';
import {
  type Answered,
  type Asked,
  type FetchLimits,
  fetchedOf,
  fetchKey,
  fetchRequestOf,
  fetchVersion,
  recordBytes,
} from './fetch-message.ts';
import type { LocatedSegment } from '../log/log.ts';
import type { NearSegments } from './near-segments.ts';

export interface OwnerReply {
  /**
   * One result for each partition that the owner answered; `errorCode` is that of the whole answer. The memory of the records
   * is let go after the call: who takes some of it holds its frames.
   */
  answered(fetched: readonly FetchedPartition[], errorCode: number): void;
  failed(): void;
}

interface Question {
  readonly link: Link;
  readonly asked: readonly Asked[];
  readonly limits: FetchLimits;
}

/** Calls one of `reply` once, in a later turn or, over a closed link, at once. */
export function askOwner(question: Question, clock: Clock, near: NearSegments | undefined, reply: OwnerReply): void {
  const { link, asked, limits } = question;
  const reader = near?.isReadable() ? near : undefined;
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
        if (!reader || answers.every(({ segment }) => segment === undefined)) return done(answers);
        const again = (): void => {
          frame.drop();
          askOwner({ ...question, limits: { ...limits, maxWaitMs: 0 } }, clock, undefined, reply);
        };
        new LocatedReads(reader, clock, question, answers, done, again).run();
      },
      failed: () => reply.failed(),
    },
    { waitMs: limits.maxWaitMs },
  );
}

/** A read that takes longer is given up, as an owner that is silent for so long is. */
const readMsMax = linkDefaults.answerMsMax;
/** What is read at once takes the loop a third of a millisecond per mebibyte, checksums included: then others have a turn. */
const turnBytesMax = 4 * 1024 * 1024;

const nothing = Buffer.alloc(0);

class LocatedReads {
  readonly #near: NearSegments;
  readonly #clock: Clock;
  readonly #bytesMax: number;
  /** By partition: there may be thousands. */
  readonly #asked: ReadonlyMap<string, Asked>;
  readonly #answers: readonly Answered[];
  readonly #done: (fetched: readonly FetchedPartition[]) => void;
  readonly #again: () => void;
  readonly #fetched: FetchedPartition[] = [];
  /** Of what was read here. */
  readonly #frames: SharedFrame[] = [];
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
    try {
      while (this.#fetched.length < this.#answers.length) {
        if (this.#turnBytes >= turnBytesMax) return this.#clock.endOfTurn(() => this.run());
        const answer = this.#answers[this.#fetched.length]!;
        const found = answer.segment ? this.#read(answer, answer.segment) : undefined;
        if (found instanceof Promise) return this.#await(answer, found);
        this.#take(answer, found);
      }
    } catch (error) {
      return this.#failed(error);
    }
    this.#done(this.#fetched);
    this.#dropFrames();
  }

  #await(answer: Answered, found: Promise<Buffer>): void {
    let isOver = false;
    const timer = this.#clock.after(readMsMax, () => {
      isOver = true;
      this.#giveUp();
    });
    found.then(
      (bytes) => {
        if (isOver) return;
        timer.cancel();
        this.#take(answer, bytes);
        this.run();
      },
      (error: unknown) => {
        if (isOver) return;
        timer.cancel();
        this.#failed(error);
      },
    );
  }

  #read(answer: Answered, segment: LocatedSegment): Buffer | Promise<Buffer> {
    const { offset, maxBytes } = this.#asked.get(keyOf(answer))!;
    const isFirst = this.#bytes === 0;
    const room = Math.min(maxBytes, this.#bytesMax - this.#bytes);
    // The owner went by an estimate: there may be none left.
    return isFirst || room > 0 ? this.#near.read(segment, offset, Math.max(0, room), isFirst) : nothing;
  }

  /** `found`: undefined when the answer has its records, if any. */
  #take(answer: Answered, found: Buffer | undefined): void {
    const { segment, ...fetched } = answer;
    if (!segment || !found) {
      this.#bytes += recordBytes(answer.records);
      this.#fetched.push(fetched);
      return;
    }
    this.#bytes += found.length;
    this.#turnBytes += found.length;
    const frames = found.length > 0 ? [new SharedFrame(found)] : [];
    this.#frames.push(...frames);
    this.#fetched.push({ ...fetched, records: found.length > 0 ? [found] : [], frames });
  }

  #failed(error: unknown): void {
    if (!(error instanceof Failure)) throw error;
    this.#giveUp();
  }

  #giveUp(): void {
    this.#dropFrames();
    this.#near.failed();
    this.#again();
  }

  #dropFrames(): void {
    for (const frame of this.#frames) frame.drop();
  }
}

function keyOf({ topicId, partition }: Pick<Asked, 'topicId' | 'partition'>): string {
  return `${topicId}${partition}`;
}
