/**
 * Large sections, decompressed once for all readers that ask for them at about the same time. Readers of records as JSON
 * return to a large batch for every few mebibytes of it (gateway/operations/record-json.ts), or for every record, and many
 * may read it at once. Without sharing, each time costs decompressing the whole batch, up to 128 MiB, on the processor that
 * everybody needs.
 *
 * A section holds its share of the gate while it exists, so memory never holds more than may be decompressed at once
 * anyway. It is given back when its readers are done; if some of them will return, when none has for a while. It also ends
 * as soon as somebody waits at the gate: readers that have already asked are still served, and nobody else joins.
 *
 *   asked for ──gate──► decoded ──► lent to one after the other ⇄ idle ──► given back
 */
import type { Clock, Timer } from '../kernel/clock.ts';
import { Overloaded } from '../kernel/failure.ts';
import type { DecompressionGate } from './decompression-gate.ts';

/** A reader returns when its socket has taken what it was given. */
const idleMsMax = 1_000;
const usersMax = 1_024;
/**
 * Of the sections that exist or wait at the gate, at most this many are compared: somebody may craft batches that all begin
 * alike.
 */
const comparedMax = 64;

export interface SectionReader {
  /** For whom it reads: the readers of one owner do not hold up those of another (decompression-gate.ts). */
  readonly owner: string;
  /** This reader will probably ask again, for the rest after the part it took. */
  readonly comesBack: boolean;
}

/** What is compressed, how, and the most that is wanted of it. Readers share a section only for identical bytes. */
export interface Wanted {
  readonly codecId: number;
  readonly bytes: Buffer;
  readonly bytesMax: number;
  readonly reader: SectionReader;
}

interface User {
  run(section: Buffer): void;
  fail(error: Error): void;
}

export class SharedSections {
  readonly #gate: DecompressionGate;
  readonly #clock: Clock;
  readonly #open = new Set<SharedSection>();

  constructor(gate: DecompressionGate, clock: Clock) {
    this.#gate = gate;
    this.#clock = clock;
    gate.onCrowded(() => {
      for (const section of this.#open) if (section.isDecoded) section.end();
    });
  }

  /**
   * Returns what `use` makes of the section, which it must not keep. When there is no section, `decode` makes one; `done`
   * gets it once nobody uses it any more. Throws Overloaded, and what `decode` and `use` throw.
   */
  async lend<T>(
    key: Wanted,
    outputBytes: number,
    use: (section: Buffer) => T,
    decode: () => Promise<Buffer>,
    done: (section: Buffer) => Promise<void> | void,
  ): Promise<T> {
    let compared = 0;
    for (const section of this.#open) {
      if (section.isOf(key)) return section.join(use, key.reader.comesBack);
      if (++compared === comparedMax) break;
    }
    const section: SharedSection = new SharedSection(key, this.#clock, () => this.#open.delete(section));
    this.#open.add(section);
    const used = section.join(use, key.reader.comesBack);
    const work = async (): Promise<void> => {
      const decoded = await decode();
      try {
        section.isDecoded = true;
        if (this.#gate.isCrowded) section.end();
        await section.serve(decoded);
      } finally {
        await done(decoded);
      }
    };
    this.#gate.pass(outputBytes, work, key.reader.owner).catch((error: Error) => section.fail(error));
    return used;
  }
}

class SharedSection {
  #key: Wanted;
  readonly #clock: Clock;
  /** Called at the end, so that no new reader finds the section. */
  readonly #onEnding: () => void;
  readonly #users: User[] = [];
  #isEnding = false;
  #stays = false;
  #wake: () => void = () => undefined;
  isDecoded = false;

  constructor(key: Wanted, clock: Clock, onEnding: () => void) {
    this.#key = key;
    this.#clock = clock;
    this.#onEnding = onEnding;
  }

  isOf({ codecId, bytes, bytesMax }: Wanted): boolean {
    const own = this.#key;
    return own.codecId === codecId && own.bytesMax === bytesMax && own.bytes.equals(bytes);
  }

  join<T>(use: (section: Buffer) => T, comesBack: boolean): Promise<T> {
    if (this.#users.length >= usersMax)
      throw new Overloaded('too many readers wait for the same batch to be decompressed');
    if (comesBack) this.#stays = true;
    return new Promise((resolve, reject) => {
      this.#users.push({
        run(section) {
          try {
            resolve(use(section));
          } catch (error) {
            reject(error as Error);
          }
        },
        fail: reject,
      });
      this.#wake();
    });
  }

  /** From here on nobody can join. */
  end(): void {
    this.#isEnding = true;
    this.#onEnding();
    this.#wake();
  }

  fail(error: Error): void {
    this.end();
    for (const user of this.#users.splice(0)) user.fail(error);
  }

  /** Resolves when the section has ended and nobody uses it. */
  async serve(section: Buffer): Promise<void> {
    // Copied, because the bytes belong to their sender, which may reuse them once it has its answer.
    this.#key = { ...this.#key, bytes: Buffer.from(this.#key.bytes) };
    for (;;) {
      for (let user = this.#users.shift(); user; user = this.#users.shift()) {
        user.run(section);
        // Each reader writes megabytes of JSON: let other work run in between.
        await new Promise<void>((resolve) => this.#clock.endOfTurn(resolve));
      }
      if (!this.#stays) this.end();
      if (this.#isEnding) return;
      await this.#woken();
    }
  }

  /** Resolves when a reader joins or the section ends. */
  #woken(): Promise<void> {
    return new Promise((resolve) => {
      const timer: Timer = this.#clock.after(idleMsMax, () => this.end(), 'background');
      this.#wake = () => {
        timer.cancel();
        this.#wake = () => undefined;
        resolve();
      };
    });
  }
}
