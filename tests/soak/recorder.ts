/** Hands every entry to the checker and, when a file was asked for, writes it as a line of JSON. */
import { createWriteStream, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { Checker } from './checker.ts';
import { type Entry, type ProducerKind, type TimedEntry, valueOf } from './history.ts';

export class Recorder {
  readonly checker: Checker;
  readonly beginMs = performance.now();
  readonly #file: WriteStream | undefined;
  #producers = 0;

  constructor(stuckMs: number, path?: string) {
    this.checker = new Checker(stuckMs);
    this.#file = path === undefined ? undefined : createWriteStream(path);
  }

  add(entry: Entry): void {
    const timed: TimedEntry = { atMs: Math.round(performance.timeOrigin + performance.now()), ...entry };
    this.checker.see(timed);
    this.#file?.write(`${JSON.stringify(timed)}\n`);
  }

  /** A separate producer, which numbers its values. */
  producer(as: ProducerKind, door: string): Values {
    const producer = this.#producers++;
    this.add({ kind: 'producer', producer, as, door });
    return new Values(producer);
  }

  async close(): Promise<void> {
    if (!this.#file) return;
    this.#file.end();
    await finished(this.#file);
  }
}

export class Values {
  readonly producer: number;
  #next = 0;

  constructor(producer: number) {
    this.producer = producer;
  }

  take(count: number): number[] {
    return Array.from({ length: count }, () => valueOf(this.producer, this.#next++));
  }
}
