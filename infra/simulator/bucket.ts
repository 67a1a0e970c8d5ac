/**
 * The segment store of some worlds: a bucket behind a network, as infra/segments/s3-segments.ts offers it. An object is put
 * whole. Nothing of it depends on a disk or its power, no file of a machine can be kept by reference, and every read takes
 * a round trip. The service may be away; a request whose answer is lost may arrive long after its sender gave it up, or
 * has ended.
 */
import { assert } from '../../engine/kernel/assert.ts';
import { below, type Random } from '../../engine/kernel/random.ts';
import { DiskFault, type SegmentFile, type SegmentStore, SegmentsUnavailable } from '../../engine/ports.ts';
import { BlockCache } from '../segments/block-cache.ts';
import { tellOutages } from '../segments/tell-outages.ts';
import { never, type SimProcess } from './process.ts';

export interface BucketMood {
  /** Requests that do not arrive. */
  readonly awayPercent: number;
  /** Requests that arrive, sooner or later, and that their sender is told to be lost. */
  readonly answerLostPercent: number;
  /** On top of the usual time, at most. */
  readonly slowMs: number;
  /** Until a sender gives a lost request up, at most. */
  readonly giveUpMs: number;
  /** It answers reads, and refuses whatever changes something: no room, or no permission. */
  readonly isReadOnly: boolean;
}

export const goodBucket: BucketMood = {
  awayPercent: 0,
  answerLostPercent: 0,
  slowMs: 0,
  giveUpMs: 20,
  isReadOnly: false,
};

/** A put is given up, its file removed, and its row as well, before it arrives. */
const lateMsMax = 3000;
/** So little that worlds read in several blocks, and read again what was dropped. */
const cacheSettings = { blockBytes: 400, cacheBytesMax: 2000, readAheadBlocks: 1, fetchesMax: 4 };

interface Call<T> {
  readonly process: SimProcess;
  readonly what: string;
  /** Only what changes something may matter when it comes late. */
  readonly isWrite?: true;
  /** The request as it leaves; its result is what the service does when it arrives. */
  readonly send: () => () => T;
}

export class Bucket {
  readonly #objects = new Map<string, Buffer>();
  readonly #random: Random;
  readonly #stores = new WeakMap<SimProcess, SegmentStore>();
  mood = goodBucket;

  constructor(random: Random) {
    this.#random = random;
  }

  fileIds(): string[] {
    return [...this.#objects.keys()].sort();
  }

  /** One for each process: its parts share a cache. */
  of(process: SimProcess): SegmentStore {
    let store = this.#stores.get(process);
    if (!store) {
      store = tellOutages(this.#storeOf(process), process.clock, () => undefined);
      this.#stores.set(process, store);
    }
    return store;
  }

  #storeOf(process: SimProcess): SegmentStore {
    const range = (fileId: string, position: number, bytes: number): Promise<Buffer> => {
      const read = (): Buffer => Buffer.from(this.#object(fileId).subarray(position, position + bytes));
      return this.#call({ process, what: `read ${fileId}`, send: () => read });
    };
    const cache = new BlockCache(cacheSettings, range);
    return {
      create: (fileId) => this.#writer(process, fileId),
      open: (fileId, use): SegmentFile => ({
        sizeBytes: () =>
          this.#call({ process, what: `measure ${fileId}`, send: () => () => this.#object(fileId).length }),
        async read(target, position) {
          if (use !== 'once') return cache.read(fileId, target, position);
          const bytes = await range(fileId, position, target.length);
          target.set(bytes);
          return bytes.length;
        },
        close: () => undefined,
      }),
      reread: (fileId) => cache.forget(fileId),
      remove: (fileId) => {
        cache.forget(fileId);
        const remove = (): void => void this.#objects.delete(fileId);
        return this.#call({ process, what: `remove ${fileId}`, isWrite: true, send: () => remove });
      },
      list: () => this.#call({ process, what: 'list', send: () => () => this.fileIds() }),
      nameOf: (fileId) => `s3://bucket/${fileId}`,
    };
  }

  #writer(process: SimProcess, fileId: string): ReturnType<SegmentStore['create']> {
    const parts: Uint8Array[] = [];
    return {
      async write(more) {
        parts.push(...more);
      },
      commit: () =>
        this.#call({
          process,
          what: `put ${fileId}`,
          isWrite: true,
          send: () => {
            // The body is read while it is sent.
            const body = Buffer.concat(parts);
            return () => {
              assert(!this.#objects.has(fileId), 'a name is used once');
              this.#objects.set(fileId, body);
            };
          },
        }),
      abort: () => void parts.splice(0),
    };
  }

  #object(fileId: string): Buffer {
    const object = this.#objects.get(fileId);
    if (!object) throw new DiskFault(`read s3://bucket/${fileId}: 404`);
    return object;
  }

  async #call<T>(call: Call<T>): Promise<T> {
    const { process } = call;
    if (!process.isAlive) return never;
    return process.answer(this.#asked(call));
  }

  #asked<T>({ process, what, isWrite, send }: Call<T>): Promise<T> {
    const { loop } = process;
    const { awayPercent, answerLostPercent, slowMs, giveUpMs, isReadOnly } = this.mood;
    const draw = below(this.#random, 100);
    const tookMs = 0.5 + below(this.#random, 60) / 10 + below(this.#random, 1 + slowMs);
    return new Promise((resolve, reject) => {
      const giveUp = (): void => reject(new SegmentsUnavailable(`${what}: no answer`));
      if (draw < awayPercent + answerLostPercent) {
        loop.schedule(tookMs + giveUpMs, giveUp);
        if (draw < awayPercent || !isWrite) return;
        const arrive = send();
        loop.schedule(below(this.#random, 2) === 0 ? tookMs : below(this.#random, lateMsMax), arrive);
        return;
      }
      loop.schedule(tookMs, () => {
        if (isReadOnly && isWrite) return reject(new SegmentsUnavailable(`${what}: refused`));
        // What a process had sent when it ended may have been on its way.
        if (!process.isAlive && below(this.#random, 2) === 0) return;
        try {
          resolve(send()());
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  }
}
