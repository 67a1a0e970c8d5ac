/**
 * The attack on the Kafka door. A burst of frames goes out, followed by a probe that must be answered unless the connection
 * ends: so the absence of an answer is seen also where a request has none of its own (acks=0).
 */
import { decodeResponse, encodeRequest } from '../../engine/protocol/headers.ts';
import type { ApiKey } from '../../engine/protocol/apis.ts';
import { isServed } from '../../engine/protocol/versions.ts';
import { damage, type Draw, oddIntegers } from './draw.ts';
import { type Made, makeRequest } from './kafka-requests.ts';
import type { Report } from './report.ts';
import { Wire } from './wire.ts';
import { whole, type World } from './world.ts';

const probeId = 0x7eed_beef;
const answerMsMax = 60_000;
/** A join waits for other members, a fetch for records: the attacker does not. */
const patienceMs = 250;
const waits: ReadonlySet<number> = new Set([1, 11, 14]);
const burstsMax = 30;

export async function attackKafka(world: World, draw: Draw, inputs: number, report: Report): Promise<void> {
  let left = inputs;
  while (left > 0) {
    const wire = await Wire.open(world.kafka);
    left -= draw.chance(6) ? await knock(world, draw, wire, report) : await visit(world, draw, wire, left, report);
    wire.cut();
  }
}

export function framed(frame: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(4 + frame.length);
  out.writeInt32BE(frame.length);
  out.set(frame, 4);
  return out;
}

function probe(): Buffer {
  return framed(Buffer.concat(encodeRequest(18, 0, probeId, 'probe', whole(18, {}))));
}

export function loginFrames(keyId: string, apiKey: string): Buffer {
  const token = Buffer.from(`\0${keyId}\0${apiKey}`);
  return Buffer.concat([
    framed(Buffer.concat(encodeRequest(17, 1, 1, 'fuzz', whole(17, { mechanism: 'PLAIN' })))),
    framed(Buffer.concat(encodeRequest(36, 2, 2, 'fuzz', whole(36, { authBytes: token })))),
  ]);
}

/** Whole frames at the start of what was received. */
export function framesIn(received: Buffer): { frames: Buffer[]; end: number } {
  const frames: Buffer[] = [];
  let at = 0;
  while (received.length - at >= 4 && received.length - at - 4 >= received.readInt32BE(at)) {
    const end = at + 4 + received.readInt32BE(at);
    frames.push(received.subarray(at + 4, end));
    at = end;
  }
  return { frames, end: at };
}

/** Without credentials, or with wrong ones. */
async function knock(world: World, draw: Draw, wire: Wire, report: Report): Promise<number> {
  const { keyId, apiKey } = world.attacker;
  const handshake = (version: number, mechanism: string): Buffer =>
    framed(Buffer.concat(encodeRequest(17, version, 1, 'fuzz', whole(17, { mechanism }))));
  const token = draw.pick([
    Buffer.from(`\0${keyId}\0${apiKey}x`),
    Buffer.from(`\0${world.victim.keyId}\0${apiKey}`),
    Buffer.from(`${world.victim.keyId}\0${keyId}\0${apiKey}`),
    Buffer.from('\0\0'),
    draw.bytes(draw.below(300)),
    damage(draw, Buffer.from(`\0${keyId}\0${apiKey}`)),
  ]);
  const sasl = framed(Buffer.concat(encodeRequest(36, draw.below(3), 2, 'fuzz', whole(36, { authBytes: token }))));
  const sent = Buffer.concat(
    draw.pick([
      [makeFrame(draw, world)],
      [draw.bytes(draw.below(400))],
      [handshake(1, draw.pick(['PLAIN', 'SCRAM-SHA-256', '', 'plain'])), sasl],
      [sasl],
      [handshake(0, 'PLAIN'), framed(token)],
      [handshake(1, 'PLAIN'), handshake(0, 'PLAIN'), sasl],
      [handshake(1, 'PLAIN'), damage(draw, sasl)],
      [Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n')],
      [Buffer.from([0x16, 3, 1, 0, 0xa5, 1, 0, 0, 0xa1, 3, 3])],
    ]),
  );
  wire.write(sent);
  // What follows must not get in.
  wire.write(framed(Buffer.concat(encodeRequest(3, 9, 77, 'fuzz', whole(3, { topics: null })))));
  wire.halfClose();
  const ending = await wire.until(() => false, answerMsMax);
  if (ending === 'silent') report.found('kafka', 'not closed after the client’s end', sent);
  const isIn = framesIn(wire.received).frames.some((frame) => frame.length >= 4 && frame.readInt32BE(0) === 77);
  const mayBeIn = sent.includes(Buffer.from(apiKey)) && !sent.includes(Buffer.from(`${apiKey}x`));
  if (isIn && !mayBeIn) report.found('kafka', 'answered before authentication', sent);
  report.leaks('kafka', wire.received, sent);
  report.count('kafka', 'unknown client');
  return 1;
}

function makeFrame(draw: Draw, world: World): Buffer {
  return framed(makeRequest(draw, world.known, draw.below(1000), Date.now()).frame);
}

async function visit(world: World, draw: Draw, wire: Wire, inputs: number, report: Report): Promise<number> {
  const { keyId, apiKey } = world.attacker;
  wire.write(loginFrames(keyId, apiKey));
  const login = await wire.until((received) => framesIn(received).frames.length >= 2, answerMsMax);
  if (login !== 'met') {
    report.found('kafka', `the login was ${login}`);
    return 1;
  }
  wire.consume(framesIn(wire.received).end);
  let done = 0;
  for (let bursts = 0; bursts < burstsMax && done < inputs; bursts++) {
    const size = Math.min(inputs - done, 1 + draw.below(16));
    done += size;
    if (!(await burst(world, draw, wire, size, report))) break;
  }
  return done;
}

/** False: the connection is spent. */
async function burst(world: World, draw: Draw, wire: Wire, size: number, report: Report): Promise<boolean> {
  const sent: { frame: Buffer; made: Made; isWhole: boolean }[] = [];
  for (let i = 0; i < size; i++) {
    const made = makeRequest(draw, world.known, i + 1, Date.now());
    // A damaged frame ends most connections: frames after it would not be tried.
    const isWhole = i < size - 1 || draw.chance(20);
    sent.push({ frame: isWhole ? made.frame : damage(draw, made.frame), made, isWhole });
  }
  const bytes = Buffer.concat([...sent.map(({ frame }) => framed(frame)), probe()]);
  if (draw.chance(6)) return torn(draw, wire, bytes, size, report);
  wire.write(bytes);
  const mayWait = sent.some(({ frame }) => frame.length < 2 || waits.has(frame.readInt16BE(0)));
  const isProbed = (received: Buffer): boolean =>
    framesIn(received).frames.some((frame) => frame.length >= 4 && frame.readInt32BE(0) === probeId);
  const ending = await wire.until(isProbed, mayWait ? patienceMs : answerMsMax);
  judge(sent, wire.received, bytes, report);
  if (ending === 'silent' && !mayWait) {
    const answered = framesIn(wire.received).frames.length;
    const asked = sent.map(({ made: { key, version }, isWhole }) => `${key} v${version}${isWhole ? '' : ' damaged'}`);
    report.found('kafka', `no answer and no end: ${answered} answers to ${asked.join(', ')}`, bytes);
  }
  for (let i = 0; i < size; i++) report.count('kafka', ending === 'silent' ? 'left waiting' : ending);
  if (ending !== 'met') return false;
  wire.consume(framesIn(wire.received).end);
  return true;
}

/** Answers come in the order of the requests, and those to whole requests can be read. */
function judge(
  sent: readonly { frame: Buffer; made: Made; isWhole: boolean }[],
  received: Buffer,
  bytes: Buffer,
  report: Report,
): void {
  report.leaks('kafka', received, bytes);
  let next = 0;
  for (const answer of framesIn(received).frames) {
    const id = answer.length >= 4 ? answer.readInt32BE(0) : undefined;
    if (id === probeId) return;
    const asked = sent.flatMap(({ frame }, i) =>
      i >= next && frame.length >= 8 && frame.readInt32BE(4) === id ? [i] : [],
    );
    const [at] = asked;
    if (at === undefined) {
      report.found('kafka', `an answer to nothing that was asked (${id})`, bytes);
      return;
    }
    next = at + 1;
    const { made, isWhole } = sent[at]!;
    // A damaged frame may bear the id of one to which there is no answer (acks=0): then whose answer this is, is not known.
    if (isWhole && asked.length === 1) readable(made, answer, report);
  }
}

function readable({ key, version, frame }: Made, answer: Buffer, report: Report): void {
  if (!isServed(key, version)) return;
  try {
    decodeResponse(key as ApiKey, version, answer);
  } catch (error) {
    report.found('kafka', `API ${key} version ${version} is answered by what cannot be read: ${String(error)}`, frame);
  }
}

/** A stream of frames that is cut, or whose sizes lie: then the client ends its side. */
async function torn(draw: Draw, wire: Wire, bytes: Buffer, size: number, report: Report): Promise<boolean> {
  const sent = draw.chance(50) ? bytes.subarray(0, draw.below(bytes.length)) : Buffer.from(bytes);
  if (sent.length >= 4 && draw.chance(70)) sent.writeInt32BE(draw.pick(oddIntegers), 0);
  const half = draw.below(sent.length + 1);
  wire.write(sent.subarray(0, half));
  wire.write(sent.subarray(half));
  wire.halfClose();
  const ending = await wire.until(() => false, answerMsMax);
  report.leaks('kafka', wire.received, sent);
  if (ending === 'silent') report.found('kafka', 'not closed after the client’s end', sent);
  for (let i = 0; i < size; i++) report.count('kafka', 'torn');
  return false;
}
