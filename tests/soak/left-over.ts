/** What an installation leaves behind when it has ended. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface ProcessOf {
  readonly pid: number;
  readonly words: string;
}

/** All that were started with the data folder on their command line or, as brokers of a parent, in their environment; none without /proc. */
export function processesOf(data: string): ProcessOf[] {
  if (!existsSync('/proc/self/environ')) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((name) => ({ pid: Number(name), words: read(name, 'cmdline'), surroundings: read(name, 'environ') }))
    .filter(({ words, surroundings }) => words.includes(data) || surroundings.includes(data));
}

function read(pid: string, what: string): string {
  try {
    return readFileSync(`/proc/${pid}/${what}`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}

/** Sockets, and notes of processes. */
export function filesLeft(data: string): string[] {
  return ['run', 'meta'].flatMap((folder) =>
    readdirSync(join(data, folder))
      .filter((name) => /\.sock$|^(detached|process)-/.test(name))
      .map((name) => join(folder, name)),
  );
}
