/**
 * The demo's bookkeeping for one tenant: what was acknowledged and what each reader saw, and from both what is lost,
 * doubled, out of order or leaked. A record carries its tenant, door and number, so a reader can be judged by its own
 * records alone.
 */
export const doors = ['kafka', 'http', 'websocket'] as const;
export type Door = (typeof doors)[number];

export interface Letter {
  readonly tenant: string;
  readonly door: Door;
  /** 0, 1, 2… per tenant and door, in the order of sending. */
  readonly number: number;
  readonly key: string;
}

export interface ReaderReport {
  readonly received: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly disordered: number;
  readonly leaked: number;
  readonly longestPauseMs: number;
}

/** The longest time between two signs of progress, after the first one. */
export class Pauses {
  longestMs = 0;
  #lastMs = 0;

  mark(): void {
    const nowMs = Date.now();
    if (this.#lastMs > 0) this.longestMs = Math.max(this.longestMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
  }

  /** All work is done: the silence that follows is not a pause. */
  rest(): void {
    this.#lastMs = 0;
  }
}

export class Ledger {
  readonly tenant: string;
  readonly #acked = new Map<Door, boolean[]>(doors.map((door) => [door, []]));
  readonly producers = new Map<Door, Pauses>(doors.map((door) => [door, new Pauses()]));
  readonly readers = new Map<Door, Reader>();

  constructor(tenant: string) {
    this.tenant = tenant;
    for (const door of doors) this.readers.set(door, new Reader(tenant));
  }

  acknowledge(letters: readonly Letter[]): void {
    for (const { door, number } of letters) this.#acked.get(door)![number] = true;
    if (letters[0]) this.producers.get(letters[0].door)!.mark();
  }

  acked(door: Door): number {
    return this.#acked.get(door)!.filter(Boolean).length;
  }

  ackedTotal(): number {
    return doors.reduce((sum, door) => sum + this.acked(door), 0);
  }

  /** Whether a reader has seen all that was acknowledged. */
  isComplete(reader: Door): boolean {
    return this.readers.get(reader)!.lostOf(this.#acked) === 0;
  }

  report(reader: Door): ReaderReport {
    const { received, duplicates, disordered, leaked, pauses } = this.readers.get(reader)!;
    const lost = this.readers.get(reader)!.lostOf(this.#acked);
    return { received, lost, duplicates, disordered, leaked, longestPauseMs: pauses.longestMs };
  }
}

export class Reader {
  received = 0;
  duplicates = 0;
  disordered = 0;
  leaked = 0;
  readonly pauses = new Pauses();
  readonly #tenant: string;
  readonly #seen = new Map<Door, boolean[]>(doors.map((door) => [door, []]));
  readonly #last = new Map<string, number>();

  constructor(tenant: string) {
    this.#tenant = tenant;
  }

  receive(key: string, value: string): void {
    this.pauses.mark();
    this.received++;
    const letter = JSON.parse(value) as Letter;
    if (letter.tenant !== this.#tenant) {
      this.leaked++;
      return;
    }
    const seen = this.#seen.get(letter.door)!;
    if (seen[letter.number]) {
      this.duplicates++;
      return;
    }
    seen[letter.number] = true;
    const line = `${letter.door} ${key}`;
    const last = this.#last.get(line) ?? -1;
    if (letter.number < last || letter.key !== key) this.disordered++;
    else this.#last.set(line, letter.number);
  }

  lostOf(acked: ReadonlyMap<Door, readonly boolean[]>): number {
    let lost = 0;
    for (const [door, numbers] of acked) {
      const seen = this.#seen.get(door)!;
      for (const [number, isAcked] of numbers.entries()) if (isAcked && !seen[number]) lost++;
    }
    return lost;
  }
}
