/**
 * The segment store in a bucket that speaks S3. A segment file is one object, put whole when it is committed. Until then
 * its batches stay where they are, in the broker's memory and write-ahead log, so only the roll-up waits for the network.
 * Objects never change, and names are never reused; `If-None-Match: *` enforces both.
 *
 * A put whose answer is lost may arrive after everybody has given it up. The object then exists without a row: the scrub
 * removes such objects when they have had no row for long (engine/log/upkeep/scrub.ts).
 */
import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { type Clock, sleep } from '../../engine/kernel/clock.ts';
import { Failure } from '../../engine/kernel/failure.ts';
import { inTime, late } from '../../engine/kernel/request-time.ts';
import {
  DiskFault,
  type SegmentFile,
  type SegmentStore,
  SegmentsUnavailable,
  type SegmentWriter,
} from '../../engine/ports.ts';
import { BlockCache, type BlockCacheSettings } from './block-cache.ts';
import type { S3Location } from './s3-location.ts';

export interface S3Settings extends BlockCacheSettings {
  /** For one call, and how often a call is made before it counts as failed. */
  readonly attemptsMax: number;
  readonly connectMsMax: number;
  readonly answerMsMax: number;
  /** A reader gets an error then. What it asked for still arrives, and answers the next one. */
  readonly readMsMax: number;
  readonly retryMs: number;
  /** How often keys are looked for again while the service refuses them. */
  readonly keysAgainMs: number;
  /** Bodies are passed to the network in pieces of at least this size. */
  readonly pieceBytes: number;
  readonly socketsMax: number;
}

const MiB = 1024 * 1024;

export const s3Defaults: S3Settings = {
  attemptsMax: 3,
  connectMsMax: 2_000,
  answerMsMax: 15_000,
  readMsMax: 10_000,
  retryMs: 200,
  keysAgainMs: 10_000,
  pieceBytes: 256 * 1024,
  socketsMax: 64,
  blockBytes: MiB,
  cacheBytesMax: 64 * MiB,
  readAheadBlocks: 2,
  fetchesMax: 16,
};

const suffix = '.seg';
const quiet = (): void => undefined;

/** Credentials come from where every AWS tool looks for them: AWS_* variables, shared files, the machine's role. */
export function s3Segments(
  location: S3Location,
  clock: Clock,
  settings: S3Settings = s3Defaults,
): SegmentStore & { probe(): Promise<void> } {
  return new S3Segments(location, clock, settings);
}

class S3Segments implements SegmentStore {
  readonly #location: S3Location;
  readonly #clock: Clock;
  readonly #settings: S3Settings;
  #client: S3Client;
  #clientMadeAtMs: number;
  readonly #cache: BlockCache;

  constructor(location: S3Location, clock: Clock, settings: S3Settings) {
    this.#location = location;
    this.#clock = clock;
    this.#settings = settings;
    this.#client = clientOf(location, settings);
    this.#clientMadeAtMs = clock.monotonicMs();
    this.#cache = new BlockCache(settings, (fileId, position, bytes) => this.#range(fileId, position, bytes));
  }

  nameOf(fileId: string): string {
    return `s3://${this.#location.bucket}/${this.#keyOf(fileId)}`;
  }

  /** Throws an Error that says what is wrong with bucket or permissions, SegmentsUnavailable when nobody answers. */
  async probe(): Promise<void> {
    try {
      await this.#client.send(new HeadBucketCommand({ Bucket: this.#location.bucket }));
    } catch (cause) {
      this.#readKeysAgain(cause);
      const status = statusOf(cause);
      const bucket = `segments: s3://${this.#location.bucket}`;
      if (status === 404) throw new Error(`${bucket} does not exist`, { cause });
      if (status === 403 || status === 400) throw new Error(`${bucket} refuses these credentials`, { cause });
      throw new SegmentsUnavailable(`${bucket} cannot be reached: ${causeText(cause)}`, { cause });
    }
  }

  create(fileId: string): SegmentWriter {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    return {
      write: async (more) => {
        for (const part of more) {
          parts.push(part);
          bytes += part.length;
        }
      },
      commit: () => this.#put(fileId, parts, bytes),
      // Nothing of it is stored unless a put was tried, and then the caller removes the file by its name.
      abort: () => void parts.splice(0),
    };
  }

  open(fileId: string, use?: 'once'): SegmentFile {
    return {
      sizeBytes: () => this.#sizeOf(fileId),
      read: async (target, position) => {
        const limitMs = this.#settings.readMsMax;
        if (use !== 'once') {
          // Late bytes go into memory that nobody uses any more.
          const memory = Buffer.allocUnsafe(target.length);
          const got = await inTime(this.#clock, limitMs, this.#cache.read(fileId, memory, position));
          if (got === late) throw this.#failure('read', fileId, new Error(`no answer in ${limitMs} ms`));
          target.set(memory.subarray(0, got));
          return got;
        }
        const bytes = await this.#range(fileId, position, target.length);
        target.set(bytes);
        return bytes.length;
      },
      close: () => undefined,
    };
  }

  reread(fileId: string): void {
    this.#cache.forget(fileId);
  }

  async remove(fileId: string): Promise<void> {
    this.#cache.forget(fileId);
    await this.#call('remove', fileId, () => this.#client.send(new DeleteObjectCommand(this.#at(fileId))));
  }

  async list(): Promise<string[]> {
    const { bucket: Bucket, prefix: Prefix } = this.#location;
    const found: string[] = [];
    const asked = new Set<string>();
    let after: string | undefined;
    do {
      const from = after === undefined ? {} : { ContinuationToken: after };
      const command = new ListObjectsV2Command({ Bucket, Prefix, ...from });
      const page = await this.#call('list', '', () => this.#client.send(command));
      for (const { Key } of page.Contents ?? []) {
        if (Key?.endsWith(suffix)) found.push(Key.slice(Prefix.length, -suffix.length));
      }
      after = page.IsTruncated ? page.NextContinuationToken : undefined;
      // Whoever looks for what is missing must not take a part for the whole, nor ask for the same page for ever.
      if (page.IsTruncated && (after === undefined || asked.has(after))) {
        throw this.#failure('list', '', 'the listing continues, but names no new next page');
      }
      if (after !== undefined) asked.add(after);
    } while (after !== undefined);
    return found.filter((fileId) => !fileId.includes('/')).sort();
  }

  /**
   * A stream is consumed by its first attempt, so the attempts are counted here and not by the client. What was stored is
   * measured: the broker drops its own copy, and a service that took less, or forgets, must not be believed.
   */
  async #put(fileId: string, parts: readonly Uint8Array[], bytes: number): Promise<void> {
    const { attemptsMax, pieceBytes, retryMs } = this.#settings;
    for (let attempt = 1; ; attempt++) {
      const Body = Readable.from(pieces(parts, pieceBytes), { objectMode: false });
      try {
        const command = new PutObjectCommand({ ...this.#at(fileId), Body, ContentLength: bytes, IfNoneMatch: '*' });
        await this.#client.send(command);
        await this.#expectSize(fileId, bytes);
        return;
      } catch (cause) {
        Body.destroy();
        // Our own earlier attempt has arrived after all: nobody else uses the name.
        if (statusOf(cause) === 412 && attempt > 1) return this.#expectSize(fileId, bytes);
        if (cause instanceof Failure) throw cause;
        if (attempt >= attemptsMax) throw this.#failure('put', fileId, cause);
        await sleep(this.#clock, retryMs * 2 ** (attempt - 1));
      }
    }
  }

  async #expectSize(fileId: string, bytes: number): Promise<void> {
    const found = await this.#sizeOf(fileId).catch((failure: unknown) => {
      if (failure instanceof DiskFault) return 0;
      throw failure;
    });
    if (found !== bytes) throw this.#failure('put', fileId, new Error(`${found} of ${bytes} bytes are stored`));
  }

  async #range(fileId: string, position: number, bytes: number): Promise<Buffer> {
    // No range names nothing: the service would send the whole object.
    if (bytes === 0) return Buffer.alloc(0);
    const Range = `bytes=${position}-${position + bytes - 1}`;
    try {
      return await this.#call('read', fileId, async () => {
        const answer = await this.#client.send(new GetObjectCommand({ ...this.#at(fileId), Range }));
        const { Body, ContentLength } = answer;
        if (!Body) throw new Error('an answer without a body');
        if (ContentLength !== undefined && ContentLength > bytes) {
          (Body as Readable).destroy();
          throw new Error(`asked for ${bytes} bytes, the service sends ${ContentLength}`);
        }
        const got = await Body.transformToByteArray();
        const wrong = wrongRange(answer.ContentRange, position, bytes, got.byteLength);
        if (wrong !== undefined) throw new Error(wrong);
        return Buffer.from(got.buffer, got.byteOffset, got.byteLength);
      });
    } catch (failure) {
      // Beyond the end of the object.
      if (failure instanceof SegmentsUnavailable && statusOf(failure.cause) === 416) return Buffer.alloc(0);
      throw failure;
    }
  }

  async #sizeOf(fileId: string): Promise<number> {
    const head = await this.#call('measure', fileId, () => this.#client.send(new HeadObjectCommand(this.#at(fileId))));
    return head.ContentLength ?? 0;
  }

  async #call<T>(act: string, fileId: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (cause) {
      throw this.#failure(act, fileId, cause);
    }
  }

  /**
   * A client keeps the keys that it has once found. A new one reads the shared files again, where somebody may have put
   * others meanwhile. The one before it ends with its sockets when the last of its requests can have had its answer.
   */
  #readKeysAgain(cause: unknown): void {
    const status = statusOf(cause);
    const nowMs = this.#clock.monotonicMs();
    const isRefused = status === 403 || status === 400;
    if (!isRefused || nowMs - this.#clientMadeAtMs < this.#settings.keysAgainMs) return;
    const former = this.#client;
    const { attemptsMax, connectMsMax, answerMsMax, readMsMax } = this.#settings;
    const busyMsMax = attemptsMax * (connectMsMax + answerMsMax) + readMsMax;
    this.#clock.after(busyMsMax, () => former.destroy(), 'background');
    this.#client = clientOf(this.#location, this.#settings);
    this.#clientMadeAtMs = nowMs;
  }

  #failure(act: string, fileId: string, cause: unknown): DiskFault | SegmentsUnavailable {
    this.#readKeysAgain(cause);
    const text = `${act} ${this.nameOf(fileId)}: ${causeText(cause)}`;
    const isMissing = statusOf(cause) === 404 && (act === 'read' || act === 'measure');
    return isMissing ? new DiskFault(text, { cause }) : new SegmentsUnavailable(text, { cause });
  }

  #keyOf(fileId: string): string {
    return `${this.#location.prefix}${fileId}${suffix}`;
  }

  #at(fileId: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#location.bucket, Key: this.#keyOf(fileId) };
  }
}

function clientOf({ region, endpoint }: S3Location, settings: S3Settings): S3Client {
  const options = {
    region,
    ...(endpoint ? { endpoint, forcePathStyle: true } : {}),
    maxAttempts: settings.attemptsMax,
    // The failure itself reports what went wrong, once.
    logger: { trace: quiet, debug: quiet, info: quiet, warn: quiet, error: quiet },
    requestHandler: {
      connectionTimeout: settings.connectMsMax,
      requestTimeout: settings.answerMsMax,
      throwOnRequestTimeout: true,
      httpAgent: { keepAlive: true, maxSockets: settings.socketsMax },
      httpsAgent: { keepAlive: true, maxSockets: settings.socketsMax },
    },
    // For whatever looks for keys: otherwise the shared files are read once in the life of the process.
    ignoreCache: true,
  };
  return new S3Client(options);
}

/** The client's own words for missing credentials do not say what to do. */
function causeText(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause.name !== 'CredentialsProviderError') return `${cause.name} ${cause.message}`;
  return 'no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role';
}

/** What is wrong with an answer of `got` bytes; fewer than requested come only from the end of an object. */
function wrongRange(range: string | undefined, position: number, bytes: number, got: number): string | undefined {
  if (got > bytes) return `asked for ${bytes} bytes, the service sent ${got}`;
  const [, from, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(range ?? '') ?? [];
  // Without a range it is a whole object.
  if (from === undefined) return position === 0 ? undefined : 'the service sent a whole object in place of a range';
  if (Number(from) !== position) return `asked for byte ${position}, the service sent from byte ${from}`;
  const due = Math.min(bytes, Number(total) - position);
  return got === due ? undefined : `asked for ${due} bytes, the service sent ${got}`;
}

/** HTTP status of the service's refusal; undefined when there was no answer. */
function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode;
}

/** Joins parts into pieces of at least `pieceBytes`: S3 refuses chunks below 8 KiB anywhere but at the end. */
function* pieces(parts: readonly Uint8Array[], pieceBytes: number): Generator<Uint8Array> {
  let some: Uint8Array[] = [];
  let bytes = 0;
  for (const part of parts) {
    some.push(part);
    bytes += part.length;
    if (bytes < pieceBytes) continue;
    yield some.length === 1 ? part : Buffer.concat(some, bytes);
    some = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(some, bytes);
}
