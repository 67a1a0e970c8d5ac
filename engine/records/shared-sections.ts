/**
 * Large sections, decompressed once for all who ask for them at about the same time. Readers of records as JSON come back to a
 * large batch for every few mebibytes of it (gateway/operations/record-json.ts), or for every record, and many read it at
 * once: without this each time costs all of the batch, up to 128 MiB, of the processor that everybody else needs too.
 *
 * A section holds its share of the gate for as long as it is there, so that nothing more is in memory than what is decompressed
 * at once in any case. It goes when its readers are done, where some come back when nobody has for a while, and as soon as
 * somebody waits at the gate: then who has asked by then is still served, and nobody joins.
 *
 *   asked for ──gate──► decoded ──► lent to one after the other ⇄ idle ──► given back
 */
import type { Clock, Timer } from '../kernel/clock.ts';
import { Overloaded } from '../kernel/failure.ts';
import type { DecompressionGate } from './decompression-gate.ts';

/** A reader comes back when its socket has taken what it was given. */
const idleMsMax = 1_000;
const usersMax = 1_024;
/** Of those that are there or wait at the gate, so many are looked at for the same bytes: somebody may see to it that all begin alike. */
const comparedMax = 64;

/** What is compressed, how, and how much of it is wanted at most. Sections are shared by the same bytes alone. */
export interface Wanted {
  readonly codecId: number;
  readonly bytes: Buffer;
  readonly bytesMax: number;
  /** This reader may well ask for it again, for what is behind the part that it took. */
  readonly comesBack: boolean;
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
   * What `use` makes of the section, which it may not keep. `decode` is called when there is none; then `done` with what it
   * made, once nobody uses that any more. Throws Overloaded, and what `decode` and `use` throw.
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
      if (section.isOf(key)) return section.join(use, key.comesBack);
      if (++compared === comparedMax) break;
    }
    const section: SharedSection = new SharedSection(key, this.#clock, () => this.#open.delete(section));
    this.#open.add(section);
    const used = section.join(use, key.comesBack);
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
    this.#gate.pass(outputBytes, work).catch((error: Error) => section.fail(error));
    return used;
  }
}

class SharedSection {
  #key: Wanted;
  readonly #clock: Clock;
  /** Whoever could join it must not find it from then on. */
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
    if (this.#users.length >= usersMax) throw new Overloaded('too many wait for the same to be decompressed');
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

  /** Nobody joins any more. */
  end(): void {
    this.#isEnding = true;
    this.#onEnding();
    this.#wake();
  }

  fail(error: Error): void {
    this.end();
    for (const user of this.#users.splice(0)) user.fail(error);
  }

  /** Resolves when it has ended and nobody is left. */
  async serve(section: Buffer): Promise<void> {
    // The bytes are their sender's, who may use them again when it has its answer.
    this.#key = { ...this.#key, bytes: Buffer.from(this.#key.bytes) };
    for (;;) {
      for (let user = this.#users.shift(); user; user = this.#users.shift()) {
        user.run(section);
        // Each writes megabytes of JSON: others have their turn in between.
        await new Promise<void>((resolve) => this.#clock.endOfTurn(resolve));
      }
      if (!this.#stays) this.end();
      if (this.#isEnding) return;
      await this.#woken();
    }
  }

  /** By who joins, or by its end. */
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
