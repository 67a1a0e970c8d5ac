/**
 * Produces records and judges what comes back. Each virtual user is a writer with its own sequence. Its records share a
 * key, so they share a partition and must arrive in order, each once. A writer repeats a refused record before it
 * continues, so nothing may be missing between the first and the last that a reader saw.
 */
import http from 'k6/http';
import { acknowledged, bearer, disordered, failedRequests, httpUrl, lost, received, repeated } from './headgate.ts';

export interface Letter {
  readonly writer: string;
  readonly n: number;
  /** Fills the record up to a usual size. */
  readonly filler: string;
}

const filler = 'x'.repeat(200);
/** A VU's own; k6 gives each VU its own copy of a module. */
let nextN = 0;

/** One request of `count` records. Returns how many were stored. */
export function produce(key: string, topic: string, writer: string, count: number): number {
  const letters: Letter[] = Array.from({ length: count }, (_, i) => ({ writer, n: nextN + i, filler }));
  const body = JSON.stringify({ records: letters.map((letter) => ({ key: writer, value: letter })) });
  const answer = http.post(`${httpUrl}/v1/topics/${topic}/records`, body, {
    headers: bearer(key),
    responseCallback: http.expectedStatuses(200, 429, 503),
  });
  const isStored = answer.status === 200;
  failedRequests.add(!isStored);
  if (!isStored) return 0;
  nextN += count;
  acknowledged.add(count);
  return count;
}

/** Judges the letters of one reader as they arrive. */
export class Judge {
  readonly #next = new Map<string, number>();
  count = 0;

  take(letter: Letter): void {
    this.count++;
    received.add(1);
    const wanted = this.#next.get(letter.writer) ?? 0;
    lost.add(letter.n > wanted);
    repeated.add(letter.n < wanted);
    if (letter.n !== wanted) disordered.add(true);
    this.#next.set(letter.writer, Math.max(wanted, letter.n + 1));
  }

  /** How many letters of a writer were seen. */
  seen(writer: string): number {
    return this.#next.get(writer) ?? 0;
  }

  close(): void {
    disordered.add(false);
  }
}

interface Page {
  readonly records: readonly { readonly value: Letter }[];
  readonly next: string;
}

/** Reads a topic page by page from the start until `enough`, or until no record has arrived for `idleSeconds`. */
export function readAll(
  key: string,
  topic: string,
  judge: Judge,
  enough: (count: number) => boolean,
  idleSeconds = 10,
  from = 'from=earliest',
): void {
  let place = from;
  let lastAtMs = Date.now();
  while (!enough(judge.count) && Date.now() - lastAtMs < idleSeconds * 1000) {
    const answer = http.get(`${httpUrl}/v1/topics/${topic}/records?${place}&wait=500ms&max_records=5000`, {
      headers: { ...bearer(key), Accept: 'application/json' },
      tags: { name: 'page' },
    });
    failedRequests.add(answer.status !== 200);
    if (answer.status !== 200) continue;
    const page = answer.json() as unknown as Page;
    for (const { value } of page.records) judge.take(value);
    if (page.records.length > 0) lastAtMs = Date.now();
    place = `cursor=${page.next}`;
  }
}
