/** Attacks that take time instead of bytes: slow and stalled senders, readers that do not read, half-closed sockets. */
import { encodeRequest } from '../../engine/protocol/headers.ts';
import { type Draw } from './draw.ts';
import { floodHeaders } from './http-door.ts';
import { framed, framesIn, loginFrames } from './kafka-door.ts';
import type { Report } from './report.ts';
import { firstFlight } from './tls-door.ts';
import { clientFrame, upgradeRequest } from './websocket-door.ts';
import { Wire } from './wire.ts';
import { whole, type World } from './world.ts';

/**
 * The doors allow 10 s to authenticate or to continue a request; after that their next check must close the connection.
 */
const stalledMsMax = 25_000;

export async function stall(world: World, draw: Draw, report: Report): Promise<void> {
  const { apiKey, keyId } = world.attacker;
  const stalled: [name: string, door: 'kafka' | 'http', bytes: Buffer | string][] = [
    ['a Kafka client that says nothing', 'kafka', ''],
    ['a Kafka client that announces 60 KiB', 'kafka', Buffer.from([0, 0, 0xf0, 0])],
    ['half a request line', 'http', 'POST /v1/top'],
    ['headers without an end', 'http', `GET /v1 HTTP/1.1\r\nhost: x\r\nx-a: b\r\n`],
    [
      'a body that does not come',
      'http',
      `POST /v1/topics/orders HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${apiKey}\r\ncontent-length: 8000000\r\n\r\nx`,
    ],
    [
      'lines that do not come',
      'http',
      `POST /v1/topics/orders/records HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${apiKey}\r\n` +
        `content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"val`,
    ],
  ];
  if (world.isTls) await stalledHandshakes(world, report);
  const each = stalled.flatMap((one) => [one, one, one]);
  await Promise.all([
    ...each.map(async ([name, door, bytes]) => {
      const wire = await Wire.open(door === 'kafka' ? world.kafka : world.http);
      wire.write(bytes);
      const ending = await wire.until(() => false, stalledMsMax);
      if (ending === 'silent') report.found(door, `${name}: the connection is kept`);
      report.count(door, 'stalled');
      wire.cut();
    }),
    dripping(world, report),
    announcers(world, keyId, apiKey, report),
    deafKafka(world, keyId, apiKey, report),
    deafWebSocket(world, apiKey, report),
    deafHttp(world, apiKey, report),
    ...Array.from({ length: 6 }, () => floodHeaders(draw, world.http, apiKey, report)),
  ]);
}

/** Half a hello, and then nothing. */
async function stalledHandshakes(world: World, report: Report): Promise<void> {
  const hello = await firstFlight();
  const ports = [world.kafka, world.http, world.admin].flatMap((port) => [port, port]);
  await Promise.all(
    ports.map(async (port, i) => {
      const wire = await Wire.open({ ...port, tls: false });
      if (i % 2 === 1) wire.write(hello.subarray(0, hello.length >> 1));
      const ending = await wire.until(() => false, stalledMsMax);
      if (ending === 'silent') report.found('tls', `port ${port.port}: half a handshake is kept`);
      report.count('tls', 'stalled');
      wire.cut();
    }),
  );
}

/** A byte now and then: alive, and never done. It may be kept; others must not feel it. */
async function dripping(world: World, report: Report): Promise<void> {
  const wires = await Promise.all(Array.from({ length: 50 }, (_, i) => Wire.open(i % 2 ? world.http : world.kafka)));
  const bytes = Buffer.from('POST /v1/topics/orders HTTP/1.1\r\n');
  for (const byte of bytes.subarray(0, 20)) {
    for (const wire of wires) wire.write(Buffer.from([byte]));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  for (const [i, wire] of wires.entries()) {
    wire.cut();
    report.count(i % 2 ? 'http' : 'kafka', 'dripping');
  }
}

/** Clients with a key that announce the largest frame and send a part of it. */
async function announcers(world: World, keyId: string, apiKey: string, report: Report): Promise<void> {
  const wires = await Promise.all(Array.from({ length: 24 }, () => Wire.open(world.kafka)));
  const part = Buffer.alloc(4 * 1024 * 1024);
  const prefix = Buffer.alloc(4);
  prefix.writeInt32BE(100 * 1024 * 1024);
  await Promise.all(
    wires.map(async (wire) => {
      wire.write(loginFrames(keyId, apiKey));
      await wire.until((received) => framesIn(received).frames.length >= 2, stalledMsMax);
      wire.write(prefix);
      for (let i = 0; i < 3; i++) wire.write(part);
      await wire.until(() => false, 4_000);
      wire.cut();
      report.count('kafka', 'announced and left');
    }),
  );
}

/** Asks for megabytes over and over and takes none of them. */
async function deafKafka(world: World, keyId: string, apiKey: string, report: Report): Promise<void> {
  const wires = await Promise.all(Array.from({ length: 8 }, () => Wire.open(world.kafka)));
  const topics = [0, 1].flatMap((partition) => [
    { topic: 'clicks', partitions: [{ partition, fetchOffset: 0, partitionMaxBytes: 50_000_000 }] },
  ]);
  const fetch = framed(Buffer.concat(encodeRequest(1, 6, 9, 'deaf', whole(1, { maxBytes: 50_000_000, topics }))));
  for (const wire of wires) {
    wire.write(loginFrames(keyId, apiKey));
    await wire.until((received) => framesIn(received).frames.length >= 2, stalledMsMax);
    wire.pause();
    for (let i = 0; i < 200; i++) wire.write(fetch);
  }
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  for (const wire of wires) {
    wire.cut();
    report.count('kafka', 'deaf');
  }
}

async function deafWebSocket(world: World, apiKey: string, report: Report): Promise<void> {
  const wires = await Promise.all(Array.from({ length: 8 }, () => Wire.open(world.http)));
  for (const wire of wires) {
    wire.write(upgradeRequest(apiKey, 'headgate.v1.json'));
    await wire.until((received) => received.includes('\r\n\r\n'), stalledMsMax);
    wire.pause();
    for (let sub = 0; sub < 50; sub++) {
      wire.write(clientFrame(1, Buffer.from(`{"op":"subscribe","sub":${sub},"topic":"clicks"}`)));
    }
    for (let i = 0; i < 5_000; i++) wire.write(clientFrame(1, Buffer.from(`{"op":"hello","id":"${'x'.repeat(60)}"}`)));
  }
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  for (const wire of wires) {
    wire.cut();
    report.count('websocket', 'deaf');
  }
}

async function deafHttp(world: World, apiKey: string, report: Report): Promise<void> {
  const wires = await Promise.all(Array.from({ length: 8 }, () => Wire.open(world.http)));
  for (const wire of wires) {
    wire.pause();
    wire.write(
      `GET /v1/topics/clicks/records HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${apiKey}\r\naccept: text/event-stream\r\n\r\n`,
    );
  }
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  for (const wire of wires) {
    wire.cut();
    report.count('http', 'deaf');
  }
}
