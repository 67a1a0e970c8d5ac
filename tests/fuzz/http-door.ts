/**
 * The attack on the HTTP door. Requests whose framing is right must be answered; those whose bytes are damaged must be
 * answered or end the connection. What was refused whole must not be stored in part: `Refused` remembers it, and the reader
 * of the topic looks for it.
 */
import { damage, type Draw } from './draw.ts';
import { makeHttpRequest } from './http-requests.ts';
import { type Answer, answerIn, type Asked, encodeAsked } from './http-wire.ts';
import type { DoorName, Report } from './report.ts';
import { Wire } from './wire.ts';
import { type Address, ask, AskFailed, keptTopic, type World } from './world.ts';

const answerMsMax = 60_000;
/** How long the attacker waits for more of a stream that need not end. */
const patienceMs = 150;

/** Requests that were answered by a problem, or never sent whole, by the id in their records. */
export class Refused {
  readonly ids = new Set<string>();
  /** Where the next reading of each partition begins: what an earlier one saw was asked of the ids of its time. */
  readonly #places = ['from=earliest', 'from=earliest'];

  async check(world: World, report: Report): Promise<void> {
    for (const partition of this.#places.keys()) await this.#checkPartition(world, report, partition);
  }

  async #checkPartition({ instance, attacker }: World, report: Report, partition: number): Promise<void> {
    const path = `/v1/topics/${keptTopic}/records?partition=${partition}&max_records=10000&format=json`;
    for (;;) {
      try {
        const url = `${path}&${this.#places[partition]!}`;
        const page = await ask<{ records: unknown[]; next: string }>(instance, attacker, 'GET', url);
        this.#places[partition] = `cursor=${page.next}`;
        if (page.records.length === 0) return;
        for (const record of page.records) {
          const id = /r[0-9a-f]{16}/.exec(JSON.stringify(record))?.[0];
          if (id !== undefined && this.ids.has(id)) report.found('http', `a refused request was stored: ${id}`);
        }
      } catch (error) {
        // A raw batch with a good checksum around damaged records is stored like any other; a reader of records learns
        // where to continue.
        const next = error instanceof AskFailed ? nextOffset(error.body) : undefined;
        if (next === undefined) throw error;
        this.#places[partition] = `from=${next}`;
      }
    }
  }
}

/** Of a records-unreadable problem. */
function nextOffset(body: string): number | undefined {
  const found = JSON.parse(body) as { code?: string; next_offset?: number };
  return found.code === 'records-unreadable' ? found.next_offset : undefined;
}

export async function attackHttp(
  world: World,
  draw: Draw,
  inputs: number,
  report: Report,
  refused: Refused,
): Promise<void> {
  let wire: Wire | undefined;
  for (let done = 0; done < inputs; done++) {
    if (!wire || wire.isClosed) wire = await Wire.open(world.http);
    const requestId = `r${draw.bytes(8).toString('hex')}`;
    const made = makeHttpRequest(draw, world.known, requestId);
    const asked = { ...made, chunked: made.body.length > 0 && draw.chance(20) };
    if (draw.chance(12)) {
      await tear(draw, wire, encodeAsked(asked), 'http', report);
      wire = undefined;
      continue;
    }
    const answer = await exchange(wire, asked, 'http', report);
    if (answer && answer.status >= 400) refused.ids.add(requestId);
    if (!answer) wire.cut();
  }
  wire?.cut();
}

/** Undefined: the connection is spent. */
export async function exchange(wire: Wire, asked: Asked, door: DoorName, report: Report): Promise<Answer | undefined> {
  const bytes = encodeAsked(asked);
  wire.write(bytes);
  let answer: Answer | undefined;
  const isHead = asked.method === 'HEAD';
  const isStream = asked.headers.some(([, value]) => value === 'text/event-stream');
  try {
    const ending = await wire.until(
      (received) => (answer = answerIn(received, isHead)) !== undefined,
      isStream ? patienceMs : answerMsMax,
    );
    if (door !== 'admin') report.leaks(door, wire.received, bytes);
    if (ending === 'silent' && !isStream) report.found(door, 'no answer and no end', bytes);
    report.count(door, ending === 'met' ? `${Math.floor(answer!.status / 100)}xx` : ending);
  } catch (error) {
    report.found(door, `an answer that is no HTTP: ${String(error)}`, bytes);
    return undefined;
  }
  if (!answer) return undefined;
  const isOurFault = answer.status === 500 || /"code":"internal"/.test(answer.body.toString('latin1'));
  if (isOurFault) report.found(door, `an error of ours: ${answer.body.toString().slice(0, 300)}`, bytes);
  wire.consume(answer.end);
  if (answer.closes) wire.cut();
  return answer;
}

/** Damaged bytes, in two pieces, and then the client ends its side. */
export async function tear(draw: Draw, wire: Wire, whole: Buffer, door: DoorName, report: Report): Promise<void> {
  const sent = draw.chance(30) ? whole.subarray(0, draw.below(whole.length)) : damage(draw, whole);
  const half = draw.below(sent.length + 1);
  wire.write(sent.subarray(0, half));
  wire.write(sent.subarray(half));
  const ending = await wire.until((received) => received.length > 0, patienceMs);
  wire.halfClose();
  if (ending !== 'closed') {
    const end = await wire.until(() => false, answerMsMax);
    if (end === 'silent') report.found(door, 'not closed after the client’s end', sent);
  }
  report.leaks(door, wire.received, sent);
  report.count(door, 'torn');
  wire.cut();
}

/** More header than is taken: many, or long ones. */
export async function floodHeaders(draw: Draw, address: Address, apiKey: string, report: Report): Promise<void> {
  const wire = await Wire.open(address);
  const isLong = draw.chance(50);
  const lines = Array.from({ length: isLong ? 4 : 3_000 }, (_, i) => `x-${i}: ${'v'.repeat(isLong ? 30_000 : 20)}`);
  wire.write(`GET /v1/topics HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${apiKey}\r\n${lines.join('\r\n')}\r\n\r\n`);
  const ending = await wire.until((received) => received.includes('\r\n\r\n'), answerMsMax);
  if (ending === 'silent') report.found('http', 'a flood of headers has no answer and no end');
  if (ending === 'met' && /^HTTP\/1.1 2/.test(wire.received.toString('latin1', 0, 20))) {
    report.found('http', 'a flood of headers was taken');
  }
  report.count('http', 'header flood');
  wire.cut();
}
