/** Searches the output of an installation's processes for bugs. */
import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Recorder } from './recorder.ts';

/**
 * Words that a broken invariant or a bug leaves in a process's log; the ends of killed processes contain none of them.
 */
const bugWords = /Assert|TypeError|RangeError|ReferenceError|data-corrupt|DataCorrupt|Unhandled|internal error/;
const linesMax = 4000;

export class Said {
  readonly #recorder: Recorder;
  readonly #readBytes = new Map<string, number>();
  readonly lines: string[] = [];

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  /** Takes the lines away from where they are. */
  take(lines: string[], who = ''): void {
    for (const said of lines.splice(0)) {
      const line = `${who}${said}`;
      if (bugWords.test(line)) this.#recorder.add({ kind: 'bug', what: line.slice(0, 300) });
      this.lines.push(line);
    }
    this.lines.splice(0, Math.max(0, this.lines.length - linesMax));
  }

  /** What was added to the files of a folder since the last call; brokers that outlive their parent write there. */
  takeFiles(folder: string): void {
    for (const name of existsSync(folder) ? readdirSync(folder) : []) {
      const path = join(folder, name);
      const from = this.#readBytes.get(path) ?? 0;
      const bytes = Buffer.alloc(statSync(path).size - from);
      const file = openSync(path, 'r');
      const text = bytes.toString('utf8', 0, readSync(file, bytes, 0, bytes.length, from));
      closeSync(file);
      const whole = text.slice(0, text.lastIndexOf('\n') + 1);
      this.#readBytes.set(path, from + Buffer.byteLength(whole));
      this.take(whole.split('\n').slice(0, -1), `${name}: `);
    }
  }
}
