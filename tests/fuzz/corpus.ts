/**
 * What once failed, replayed before anything else. One file per defect: the bytes as pieces, of which each may be repeated,
 * so that a file stays small where the input was large. `{{key}}` in a text stands for the attacker's API key.
 *
 *   kafka      after a login, each piece is one frame (its size goes before it)
 *   http       one request; the pieces are its body
 *   websocket  each piece is one message
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { exchange } from './http-door.ts';
import { framed, framesIn, loginFrames } from './kafka-door.ts';
import type { Report } from './report.ts';
import { clientFrame, upgradeRequest } from './websocket-door.ts';
import { Wire } from './wire.ts';
import type { World } from './world.ts';

interface Piece {
  readonly text?: string;
  readonly hex?: string;
  readonly repeat?: number;
}

interface Entry {
  readonly why: string;
  readonly door: 'kafka' | 'http' | 'websocket';
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly gzip?: boolean;
  readonly chunked?: boolean;
  readonly pieces: readonly (Piece | readonly Piece[])[];
  /** HTTP status, or code of the problem, that must come. */
  readonly expect?: string;
}

const folder = join(dirname(fileURLToPath(import.meta.url)), 'corpus');
const answerMsMax = 60_000;

export async function replayCorpus(world: World, report: Report): Promise<number> {
  const names = readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort();
  for (const name of names) {
    const entry = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Entry;
    const seen = await replay(world, entry, report);
    if (entry.expect !== undefined && !seen.includes(entry.expect)) {
      report.found(entry.door, `corpus ${name}: expected ${entry.expect}, got ${seen.slice(0, 300)}`);
    }
  }
  return names.length;
}

async function replay(world: World, entry: Entry, report: Report): Promise<string> {
  const { apiKey, keyId } = world.attacker;
  const parts = entry.pieces.map((piece) => bytesOf(piece, apiKey));
  const wire = await Wire.open(entry.door === 'kafka' ? world.kafka : world.http);
  try {
    if (entry.door === 'http') {
      const body = Buffer.concat(parts);
      const answer = await exchange(
        wire,
        {
          method: entry.method ?? 'POST',
          target: entry.path ?? '/',
          headers: Object.entries({ authorization: `Bearer ${apiKey}`, ...entry.headers }),
          body: entry.gzip ? gzipSync(body) : body,
          chunked: entry.chunked ?? false,
        },
        'http',
        report,
      );
      return answer ? `${answer.status} ${answer.body.toString('utf8', 0, 2_000)}` : 'closed';
    }
    const isKafka = entry.door === 'kafka';
    wire.write(isKafka ? loginFrames(keyId, apiKey) : upgradeRequest(apiKey, 'headgate.v1.json'));
    const isOpen = (got: Buffer): boolean => (isKafka ? framesIn(got).frames.length >= 2 : got.includes('\r\n\r\n'));
    await wire.until(isOpen, answerMsMax);
    wire.consume(wire.received.length);
    for (const part of parts) wire.write(isKafka ? framed(part) : clientFrame(1, part));
    const ending = await wire.until((got) => got.length > 0, answerMsMax);
    if (ending === 'silent') report.found(entry.door, `no answer and no end: ${entry.why}`);
    report.count(entry.door, 'corpus');
    return ending === 'closed' ? 'closed' : wire.received.toString('latin1', 0, 2_000);
  } finally {
    wire.cut();
  }
}

function bytesOf(piece: Piece | readonly Piece[], apiKey: string): Buffer {
  if (Array.isArray(piece)) return Buffer.concat((piece as readonly Piece[]).map((each) => bytesOf(each, apiKey)));
  const { text, hex, repeat } = piece as Piece;
  const bytes = hex === undefined ? Buffer.from((text ?? '').replaceAll('{{key}}', apiKey)) : Buffer.from(hex, 'hex');
  return repeat === undefined ? bytes : Buffer.alloc(bytes.length * repeat, bytes);
}
