/**
 * The certificate and key that the doors use for TLS, from the current content of two PEM files. They are replaced while
 * the gateway serves (a certificate lives for weeks), so the files are checked at intervals and on request. New connections
 * get the new pair; open ones continue with theirs.
 *
 * A pair that does not work (half written, or key and certificate of two pairs) is ignored. It is reported once, when it is
 * still there at the next check: whoever replaces two files does so one after the other.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { type Clock, sleep, type Timer } from '../engine/kernel/clock.ts';

export interface TlsPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** What doors need of it. */
export interface TlsSource {
  /** For a server that reads the files itself: they held `pair` a moment ago. */
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly pair: TlsPair;
  /** Returns the function to unsubscribe. */
  onReplaced(listener: () => void): () => void;
}

type Log = (event: string, fields: Readonly<Record<string, string | number | boolean>>) => void;

export interface TlsFilesOptions {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly clock: Clock;
  readonly log: Log;
}

export const lookIntervalMs = 10_000;
/** How long a start waits for the second file of a pair that is just being replaced, and how often it looks. */
export const halfPairMsMax = 5_000;
const halfPairPollMs = 100;

/**
 * What `make` makes of the two files. A process may start between the replacement of one and of the other: a pair that does
 * not work is tried again for a while. A file that cannot be read is wrong at once.
 */
export async function fromWholePair<T>(clock: Clock, make: () => T): Promise<T> {
  const deadlineMs = clock.monotonicMs() + halfPairMsMax;
  for (;;) {
    try {
      return make();
    } catch (error) {
      const isUnreadable = (error as NodeJS.ErrnoException).errno !== undefined;
      if (isUnreadable || clock.monotonicMs() >= deadlineMs) throw error;
    }
    await sleep(clock, halfPairPollMs);
  }
}

export class TlsFiles implements TlsSource {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #listeners = new Set<() => void>();
  /** Listeners that could not take the current pair, and are called again. */
  readonly #behind = new Set<() => void>();
  #pair: TlsPair;
  /** The broken content found, by its hash, and whether it has been reported. */
  #broken: { readonly hash: string; readonly isTold: boolean } | undefined;
  #timer: Timer | undefined;

  /** Throws when the files cannot be read or are not a pair. */
  constructor({ certificateFile, keyFile, clock, log }: TlsFilesOptions) {
    this.certificateFile = certificateFile;
    this.keyFile = keyFile;
    this.#clock = clock;
    this.#log = log;
    this.#pair = this.#read();
    createSecureContext(this.#pair);
  }

  get pair(): TlsPair {
    return this.#pair;
  }

  onReplaced(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      this.#behind.delete(listener);
    };
  }

  /** Checks every lookIntervalMs from now on. */
  watch(): void {
    this.#timer = this.#clock.after(
      lookIntervalMs,
      () => {
        this.look('regular');
        this.watch();
      },
      'background',
    );
  }

  close(): void {
    this.#timer?.cancel();
  }

  /**
   * Small local files, read synchronously: nobody sees half of a change made here. 'asked': errors are reported at once.
   */
  look(why: 'regular' | 'asked'): void {
    let found: TlsPair | undefined;
    try {
      found = this.#read();
      if (found.cert.equals(this.#pair.cert) && found.key.equals(this.#pair.key)) {
        this.#broken = undefined;
        this.#tell([...this.#behind]);
        return;
      }
      createSecureContext(found);
    } catch (error) {
      this.#refuse(textOf(error), found, why);
      return;
    }
    this.#broken = undefined;
    this.#pair = found;
    const { validTo } = new X509Certificate(found.cert);
    this.#log('tls-certificate-replaced', { file: this.certificateFile, validTo });
    this.#tell([...this.#listeners]);
  }

  #tell(listeners: readonly (() => void)[]): void {
    for (const listener of listeners) {
      try {
        listener();
        this.#behind.delete(listener);
      } catch (error) {
        this.#behind.add(listener);
        this.#log('tls-certificate-refused', { file: this.certificateFile, reason: textOf(error) });
      }
    }
  }

  #refuse(reason: string, found: TlsPair | undefined, why: 'regular' | 'asked'): void {
    const hash = createHash('sha256');
    if (found) hash.update(found.cert).update(found.key);
    const content = hash.digest('hex');
    const isSame = this.#broken?.hash === content;
    const isDue = why === 'asked' || (isSame && !this.#broken?.isTold);
    if (isDue) this.#log('tls-certificate-refused', { file: this.certificateFile, reason });
    this.#broken = { hash: content, isTold: isDue || (isSame && this.#broken?.isTold === true) };
  }

  #read(): TlsPair {
    return { cert: readFileSync(this.certificateFile), key: readFileSync(this.keyFile) };
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

interface SecuredServer {
  setSecureContext(options: TlsPair): void;
  once(event: 'close', listener: () => void): unknown;
}

/** For Node's own servers: from now on, new connections get the current pair. */
export function followPair(server: SecuredServer, tls: TlsSource): void {
  const stop = tls.onReplaced(() => server.setSecureContext(tls.pair));
  server.once('close', stop);
}
