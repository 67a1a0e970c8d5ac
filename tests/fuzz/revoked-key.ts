/** A key that is revoked while everything that can be held open with it is open: all of it ends, and nothing gets in. */
import { encodeRequest } from '../../engine/protocol/headers.ts';
import { framed, framesIn, loginFrames } from './kafka-door.ts';
import type { Report } from './report.ts';
import { upgradeRequest } from './websocket-door.ts';
import { Wire } from './wire.ts';
import { whole, type World } from './world.ts';

const endMsMax = 5_000;

export async function revokeKey({ instance, attacker, kafka, http }: World, report: Report): Promise<void> {
  const path = `/clusters/${attacker.clusterId}/keys`;
  const { keyId, apiKey } = await instance.admin<{ keyId: string; apiKey: string }>('POST', path, { name: 'brief' });
  const topics = [{ topic: 'orders', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 }] }];
  const longPoll = whole(1, { maxWaitMs: 30_000, minBytes: 1_000_000_000, maxBytes: 1, topics });
  const reading = await opened(
    kafka,
    [loginFrames(keyId, apiKey), frame(longPoll)],
    (got) => framesIn(got).frames.length >= 2,
  );
  const idle = await opened(kafka, [loginFrames(keyId, apiKey)], (got) => framesIn(got).frames.length >= 2);
  const hasHead = (got: Buffer): boolean => got.includes('\r\n\r\n');
  const socket = await opened(http, [upgradeRequest(apiKey, 'headgate.v1.json')], hasHead);
  const head = `HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${apiKey}\r\n`;
  const events = await opened(
    http,
    [`GET /v1/topics/orders/records?from=latest ${head}accept: text/event-stream\r\n\r\n`],
    hasHead,
  );
  const lines = await opened(
    http,
    [
      `POST /v1/topics/orders/records ${head}content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n`,
      'c\r\n{"value":1}\n\r\n',
    ],
    hasHead,
  );
  await instance.admin('DELETE', `${path}/${keyId}`).catch(() => undefined);
  const held: readonly (readonly [string, Wire, (got: Buffer) => boolean])[] = [
    ['a Kafka long poll', reading, () => false],
    ['a Kafka connection', idle, () => false],
    ['a WebSocket', socket, () => false],
    ['an event stream', events, (got) => got.includes('\r\n0\r\n\r\n')],
    ['a stream of lines', lines, (got) => got.includes('unauthenticated')],
  ];
  for (const [name, wire, isOver] of held) {
    if ((await wire.until(isOver, endMsMax)) === 'silent') report.found('all', `${name} outlives its key`);
    wire.cut();
    report.count('http', 'revoked');
  }
  const late = await opened(kafka, [loginFrames(keyId, apiKey)], (got) => framesIn(got).frames.length >= 2);
  const code = framesIn(late.received).frames[1]?.readInt16BE(5);
  if (code === 0) report.found('kafka', 'a revoked key logs in');
  late.cut();
}

function frame(request: ReturnType<typeof whole<1>>): Buffer {
  return framed(Buffer.concat(encodeRequest(1, 6, 3, 'held', request)));
}

async function opened(
  address: World['kafka'],
  bytes: readonly (Buffer | string)[],
  isOpen: (received: Buffer) => boolean,
): Promise<Wire> {
  const wire = await Wire.open(address);
  for (const each of bytes) wire.write(each);
  await wire.until(isOpen, endMsMax);
  return wire;
}
