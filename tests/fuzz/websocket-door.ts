/**
 * The attack on the WebSocket door. Messages in right frames are followed by a ping with an id of its own that must be
 * answered unless the socket is closed; damaged frames are followed by the end of the client's side.
 */
import { createHash } from 'node:crypto';
import { hostileBatch } from './batches.ts';
import { damage, type Draw, oddIntegers } from './draw.ts';
import { deepJson } from './http-requests.ts';
import type { Report } from './report.ts';
import { Wire } from './wire.ts';
import type { Known, World } from './world.ts';

const answerMsMax = 60_000;
const burstsMax = 25;
const probeText = '"id":"probe"';

export async function attackWebSocket(world: World, draw: Draw, inputs: number, report: Report): Promise<void> {
  let left = inputs;
  while (left > 0) {
    const wire = await Wire.open(world.http);
    left -= draw.chance(8) ? await badUpgrade(world, draw, wire, report) : await visit(world, draw, wire, left, report);
    wire.cut();
  }
}

export function upgradeRequest(apiKey: string, protocol: string): string {
  return (
    `GET /v1/ws HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\n` +
    `sec-websocket-key: ${createHash('md5').update(protocol).digest('base64')}\r\n` +
    `authorization: Bearer ${apiKey}\r\nsec-websocket-protocol: ${protocol}\r\n\r\n`
  );
}

/** A client's frame. Opcode 1 is text, 2 binary, 8 close, 9 ping. */
export function clientFrame(opcode: number, payload: Buffer, isLast = true): Buffer {
  const length = payload.length;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = (isLast ? 0x80 : 0) | opcode;
  if (length < 126) head[1] = 0x80 | length;
  else if (length < 65_536) {
    head[1] = 0x80 | 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 0x80 | 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  const mask = Buffer.from([1, 2, 3, 4]);
  const masked = Buffer.from(payload);
  for (let i = 0; i < length; i++) masked[i] = masked[i]! ^ mask[i & 3]!;
  return Buffer.concat([head, mask, masked]);
}

async function badUpgrade(world: World, draw: Draw, wire: Wire, report: Report): Promise<number> {
  const good = Buffer.from(upgradeRequest(world.attacker.apiKey, 'headgate.v1.json'));
  const bad = draw.pick([
    upgradeRequest('nonsense', 'headgate.v1.json'),
    upgradeRequest(world.attacker.apiKey, draw.pick(['mqtt', 'bearer.x', '', ',,,', 'bearer.'])),
    upgradeRequest(world.attacker.apiKey, 'headgate.v1.json')
      .replace('/v1/ws', `/v1/ws?ticket=${draw.bytes(30).toString('base64url')}`)
      .replace(/authorization[^\r]*\r\n/, ''),
    upgradeRequest(world.attacker.apiKey, 'headgate.v1.json').replace('/v1/ws', '/v1/topics'),
    damage(draw, good),
    damage(draw, good),
  ]);
  wire.write(bad);
  await wire.until((received) => received.includes('\r\n\r\n'), 150);
  wire.halfClose();
  if ((await wire.until(() => false, answerMsMax)) === 'silent') {
    report.found('websocket', 'not closed after the client’s end', bad);
  }
  report.leaks('websocket', wire.received, bad);
  report.count('websocket', 'bad upgrade');
  return 1;
}

async function visit(world: World, draw: Draw, wire: Wire, inputs: number, report: Report): Promise<number> {
  wire.write(upgradeRequest(world.attacker.apiKey, draw.pick(['headgate.v1.json', 'headgate.v1.bin'])));
  const upgraded = await wire.until((received) => received.includes('\r\n\r\n'), answerMsMax);
  if (upgraded !== 'met' || !wire.received.toString('latin1', 0, 12).includes('101')) {
    report.found('websocket', `the upgrade was ${upgraded}: ${wire.received.toString('latin1', 0, 300)}`);
    return 1;
  }
  let done = 0;
  for (let bursts = 0; bursts < burstsMax && done < inputs; bursts++) {
    const size = Math.min(inputs - done, 1 + draw.below(8));
    done += size;
    wire.consume(wire.received.length);
    if (!(await burst(world, draw, wire, size, report))) break;
  }
  return done;
}

async function burst(world: World, draw: Draw, wire: Wire, size: number, report: Report): Promise<boolean> {
  const frames: Buffer[] = [];
  for (let i = 0; i < size; i++) {
    const isBinary = draw.chance(25);
    const payload = isBinary ? produceFrame(draw, world.known) : command(draw, world.known, i);
    const message = draw.chance(25) && i === size - 1 ? damage(draw, payload) : payload;
    frames.push(...framesOf(draw, isBinary ? 2 : 1, message));
  }
  const probe = clientFrame(1, Buffer.from('{"op":"ping","id":"probe"}'));
  const bytes = Buffer.concat([...frames, probe]);
  if (draw.chance(8)) return torn(draw, wire, bytes, size, report);
  wire.write(bytes);
  const ending = await wire.until((received) => received.includes(probeText), answerMsMax);
  report.leaks('websocket', wire.received, bytes);
  if (ending === 'silent') report.found('websocket', 'no answer and no end', bytes);
  if (wire.received.includes('"code":"internal"')) {
    const at = wire.received.indexOf('"code":"internal"');
    report.found(
      'websocket',
      `an error of ours: ${wire.received.toString('latin1', Math.max(0, at - 200), at + 100)}`,
      bytes,
    );
  }
  for (let i = 0; i < size; i++) report.count('websocket', ending);
  return ending === 'met';
}

/** One frame, or fragments with a ping between them. */
function framesOf(draw: Draw, opcode: number, message: Buffer): Buffer[] {
  if (draw.chance(90) || message.length < 2) return [clientFrame(opcode, message)];
  const at = 1 + draw.below(message.length - 1);
  return [
    clientFrame(opcode, message.subarray(0, at), false),
    ...(draw.chance(50) ? [clientFrame(9, draw.bytes(draw.below(125)))] : []),
    clientFrame(0, message.subarray(at)),
  ];
}

async function torn(draw: Draw, wire: Wire, bytes: Buffer, size: number, report: Report): Promise<boolean> {
  const sent = draw.chance(70)
    ? damage(draw, bytes)
    : draw.pick([
        // Reserved opcodes and bits, no mask, control frames that are long or in pieces, a close that says too little.
        Buffer.from([0x83, 0x80, 0, 0, 0, 0]),
        Buffer.from([0xf1, 0x80, 0, 0, 0, 0]),
        Buffer.from([0x81, 0x01, 0x41]),
        clientFrame(9, Buffer.alloc(200)),
        clientFrame(9, Buffer.alloc(2), false),
        clientFrame(8, Buffer.from([3])),
        clientFrame(8, Buffer.from([0, 0])),
        clientFrame(0, Buffer.from('x')),
        Buffer.from([0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
        clientFrame(1, Buffer.from([0xc3, 0x28])),
        clientFrame(2, Buffer.alloc(1024 * 1024 + 1)),
      ]);
  wire.write(sent);
  await wire.until((received) => received.length > 0, 60);
  wire.halfClose();
  if ((await wire.until(() => false, answerMsMax)) === 'silent') {
    report.found('websocket', 'not closed after the client’s end', sent);
  }
  report.leaks('websocket', wire.received, sent);
  for (let i = 0; i < size; i++) report.count('websocket', 'torn');
  return false;
}

function command(draw: Draw, known: Known, id: number): Buffer {
  const topic = draw.pick([
    ...known.topics,
    known.victimTopic,
    `${known.victimClusterId}.${known.victimTopic}`,
    draw.text(),
  ]);
  if (draw.chance(1)) return Buffer.from(`{"op":"produce","id":1,"topic":"orders","records":[{"value":${deepJson}}]}`);
  const fields: Record<string, unknown> = {
    op: draw.pick([
      'hello',
      'subscribe',
      'subscribe',
      'credit',
      'pause',
      'resume',
      'unsubscribe',
      'produce',
      'produce',
      'ping',
      draw.text(),
    ]),
    id: draw.pick<unknown>([id, 'a', undefined, null, -1, 1.5, {}, 'x'.repeat(64), 'x'.repeat(65)]),
    sub: draw.pick<unknown>([0, 1, 2, 3, -1, 'x', null, 1e308, 2 ** 53]),
    topic: draw.chance(90) ? topic : draw.pick<unknown>([undefined, 1, null, {}, '__proto__']),
    from: draw.pick<unknown>([undefined, 'latest', 'earliest', -5, 0, 'x', {}, 1e300]),
    cursor: draw.chance(30)
      ? draw.pick<unknown>([
          ...known.cursors,
          damage(draw, Buffer.from(draw.pick(known.cursors))).toString('latin1'),
          1,
          '',
        ])
      : undefined,
    partitions: draw.chance(20)
      ? draw.pick<unknown>([[0], [0, 0], [9], [], 'x', [null], Array.from({ length: 5000 }, () => 0)])
      : undefined,
    positions: draw.chance(20)
      ? draw.pick<unknown>([
          [{ partition: 0, offset: 0 }],
          [{ partition: 0, offset: draw.pick(oddIntegers) }],
          [null],
          [{}],
          {},
          [],
        ])
      : undefined,
    credit: draw.chance(30)
      ? draw.pick<unknown>([{ records: 1 }, { bytes: 1 }, { records: -1 }, null, 1, { records: 2 ** 53 }])
      : undefined,
    records: draw.chance(60)
      ? Array.from({ length: draw.count(3, 100) }, () => record(draw))
      : draw.pick<unknown>([undefined, {}, 'x', [null]]),
    bytes: draw.pick<unknown>([undefined, 1, -1, 'x']),
    format: draw.chance(20) ? draw.pick<unknown>(['string', 'base64', 'xml', 1]) : undefined,
  };
  return Buffer.from(JSON.stringify(fields));
}

function record(draw: Draw): unknown {
  return draw.pick<unknown>([
    { value: 1 },
    { key: 'k', value: { a: 1 } },
    { key: { $b64: 'AP8=' }, value: { $text: '\ud800' } },
    { value: { $b64: 1 } },
    { partition: draw.pick<unknown>([0, 9, -1, 'x']) },
    { timestamp: draw.pick<unknown>([0, -1, 1e300, 'x']) },
    { headers: draw.pick<unknown>([{ a: 'b' }, [{ key: 1 }], 'x', [null]]) },
    { constructor: 1 },
    null,
    [],
    'x',
  ]);
}

function produceFrame(draw: Draw, known: Known): Buffer {
  const topic = Buffer.from(
    draw.pick([...known.topics, known.victimTopic, `${known.victimClusterId}.${known.victimTopic}`]),
  );
  const head = Buffer.from([draw.chance(95) ? 2 : draw.below(256), draw.below(128), draw.below(3), topic.length]);
  const batch = hostileBatch(draw, 'w', Date.now());
  // Larger messages than one may send end the socket, which is tried elsewhere.
  return Buffer.concat([head, topic, batch.length > 500_000 ? Buffer.alloc(61) : batch]);
}
