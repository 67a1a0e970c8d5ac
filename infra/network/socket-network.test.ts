import { mkdtempSync, rmSync } from 'node:fs';
import { connect, Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../engine/kernel/clock.ts';
import { seededRandom } from '../../engine/kernel/random.ts';
import { type FrameChannel, type FrameHandler, LinkClosed } from '../../engine/ports.ts';
import { freePorts } from './free-ports.ts';
import { socketAddress, socketNetwork, socketNetworkDefaults } from './socket-network.ts';

let directory: string;
let port: number;
const cleanups: (() => Promise<void> | void)[] = [];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'link-'));
  // Asked for: one that is made up may be another connection's end, or was a moment ago.
  [port = 0] = await freePorts(1);
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  rmSync(directory, { recursive: true, force: true });
});

/** Keeps what arrives and lets a test await it. */
class Inbox implements FrameHandler {
  readonly frames: Buffer[] = [];
  isClosed = false;
  drains = 0;
  onFrame: ((frame: Buffer) => void) | undefined;
  #wake: (() => void) | undefined;

  frame(frame: Buffer): void {
    this.frames.push(frame);
    this.onFrame?.(frame);
    this.#wake?.();
  }
  drained(): void {
    this.drains++;
    this.#wake?.();
  }
  closed(): void {
    expect(this.isClosed).toBe(false);
    this.isClosed = true;
    this.#wake?.();
  }
  async until(done: () => boolean): Promise<void> {
    while (!done()) await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

async function pair({ address, isBulk }: Way, settings = socketNetworkDefaults) {
  const network = socketNetwork(systemClock, settings);
  const served: { server: Inbox; accepted: FrameChannel }[] = [];
  let arrive: () => void = () => undefined;
  const listener = await network.listen(address(), (accepted) => {
    const server = new Inbox();
    served.push({ server, accepted });
    arrive();
    return server;
  });
  cleanups.push(() => listener.close());
  const client = new Inbox();
  const channel = await network.connect(address(), client, isBulk);
  cleanups.push(() => channel.close());
  // Of an offered connection the Unix socket, which the offer came by, is the first.
  while (served.length < (isBulk ? 2 : 1)) await new Promise<void>((resolve) => (arrive = resolve));
  return { network, listener, client, channel, ...served.at(-1)! };
}

/** A listener of ours with a plain socket at the other end. */
async function rawClient(): Promise<{ server: Inbox; raw: Socket }> {
  const server = new Inbox();
  const listener = await socketNetwork(systemClock).listen(addresses.unix(), () => server);
  cleanups.push(() => listener.close());
  const raw = connect({ path: addresses.unix() });
  raw.on('error', () => undefined);
  await new Promise<void>((resolve) => raw.once('connect', () => resolve()));
  return { server, raw };
}

const addresses = { unix: () => join(directory, 'b.sock'), tcp: () => `127.0.0.1:${port}` };

interface Way {
  readonly address: () => string;
  readonly isBulk: boolean;
}

const unix: Way = { address: addresses.unix, isBulk: false };
const ways: Readonly<Record<string, Way>> = {
  unix,
  tcp: { address: addresses.tcp, isBulk: false },
  loopback: { address: addresses.unix, isBulk: true },
};

describe.each(Object.entries(ways))('%s', (_, way) => {
  it('carries frames of all sizes in order, both ways', async () => {
    const { client, server, channel, accepted } = await pair(way);
    const random = seededRandom(7);
    const sizes = [0, 1, 3, 4, 5, 100, 4095, 4096, 70_000, 262_144, 262_145, 3_000_000, 2, 1];
    const frames = sizes.map((size) => random.bytes(size));
    for (const frame of frames) {
      const cut = frame.length >> 1;
      channel.send([frame.subarray(0, cut), frame.subarray(cut)]);
      accepted.send([frame]);
    }
    await server.until(() => server.frames.length === frames.length);
    await client.until(() => client.frames.length === frames.length);
    for (const [i, frame] of frames.entries()) {
      expect(server.frames[i]!.equals(frame)).toBe(true);
      expect(client.frames[i]!.equals(frame)).toBe(true);
    }
  });

  it('gives every frame its own memory', async () => {
    const { server, channel } = await pair(way);
    channel.send([Buffer.alloc(10_000, 1)]);
    await server.until(() => server.frames.length === 1);
    channel.send([Buffer.alloc(10_000, 2)]);
    await server.until(() => server.frames.length === 2);
    expect(server.frames[0]!.every((byte) => byte === 1)).toBe(true);
  });

  it('reports an end to both sides, once', async () => {
    const { client, server, channel } = await pair(way);
    channel.send([Buffer.from('last words')]);
    channel.close();
    channel.close();
    await server.until(() => server.isClosed);
    await client.until(() => client.isClosed);
    expect(server.frames.map(String)).toEqual(['last words']);
    channel.send([Buffer.from('into the void')]);
    expect(channel.bufferedBytes()).toBe(0);
  });

  it('closes every connection with the listener', async () => {
    const { client, server, listener, network } = await pair(way);
    await listener.close();
    await client.until(() => client.isClosed);
    await server.until(() => server.isClosed);
    await expect(network.connect(way.address(), new Inbox(), way.isBulk)).rejects.toBeInstanceOf(LinkClosed);
  });

  it('refuses a frame over the limit by closing', async () => {
    const { client, server, channel } = await pair(way, { ...socketNetworkDefaults, frameBytesMax: 1000 });
    channel.send([Buffer.alloc(1000)]);
    channel.send([Buffer.alloc(1001)]);
    await client.until(() => client.isClosed);
    expect(server.frames).toHaveLength(1);
  });

  it('holds back a sender whose peer does not read', async () => {
    const { client, server, channel, accepted } = await pair(way);
    accepted.pause();
    const frames = 64;
    for (let i = 0; i < frames; i++) channel.send([Buffer.alloc(1_000_000, i)]);
    expect(channel.bufferedBytes()).toBe(frames * 1_000_004);
    await new Promise<void>((resolve) => setImmediate(resolve));
    await new Promise<void>((resolve) => setImmediate(resolve));
    // The kernel holds a few hundred kilobytes, of TCP some megabytes; the rest waits here.
    expect(channel.bufferedBytes()).toBeGreaterThan(frames * 500_000);
    expect(client.drains).toBe(0);
    accepted.resume();
    await server.until(() => server.frames.length === frames);
    await client.until(() => client.drains === 1);
    expect(channel.bufferedBytes()).toBe(0);
    expect(server.frames.every((frame, i) => frame.length === 1_000_000 && frame[0] === i)).toBe(true);
  });
});

it('pause in a frame handler stops reading until resume', async () => {
  const { server, channel, accepted } = await pair(unix);
  server.onFrame = () => accepted.pause();
  for (let i = 0; i < 20; i++) channel.send([Buffer.alloc(200_000, i)]);
  await server.until(() => server.frames.length > 0);
  for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => setImmediate(resolve));
  const received = server.frames.length;
  expect(received).toBeLessThan(20);
  server.onFrame = undefined;
  accepted.resume();
  await server.until(() => server.frames.length === 20);
  expect(server.frames.map((frame) => frame[0])).toEqual(Array.from({ length: 20 }, (_, i) => i));
});

it('frames cut at any byte are reassembled', async () => {
  const { server, raw } = await rawClient();
  const stream = Buffer.from('00000003616263' + '00000000' + '0000000578797a7a7a', 'hex');
  for (const byte of stream) {
    raw.write(Buffer.of(byte));
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  await server.until(() => server.frames.length === 3);
  expect(server.frames.map(String)).toEqual(['abc', '', 'xyzzz']);
  raw.destroy();
  await server.until(() => server.isClosed);
});

it('an abrupt end in the middle of a frame is an end, not a frame', async () => {
  const { server, raw } = await rawClient();
  raw.write(Buffer.from('000000ff6162', 'hex'));
  raw.destroy();
  await server.until(() => server.isClosed);
  expect(server.frames).toHaveLength(0);
});

it('a negative size ends the connection', async () => {
  const { server, raw } = await rawClient();
  raw.write(Buffer.from('ffffffff', 'hex'));
  await server.until(() => server.isClosed);
});

it('the frames of one turn leave in one write', async () => {
  const path = addresses.unix();
  const reads: number[] = [];
  const raw = new Server((socket: Socket) => socket.on('data', (chunk) => reads.push(chunk.length)));
  await new Promise<void>((resolve) => raw.listen(path, resolve));
  const network = socketNetwork(systemClock);
  const channel = await network.connect(path, new Inbox());
  for (let i = 0; i < 100; i++) channel.send([Buffer.from('header'), Buffer.from('body')]);
  channel.close();
  await new Promise<void>((resolve) => raw.close(() => resolve()));
  expect(reads).toEqual([100 * 14]);
});

it('several can listen at once after the folder of their sockets was removed', async () => {
  const network = socketNetwork(systemClock);
  const paths = ['1', '2', '3'].map((name) => join(directory, 'gone', 'there', `broker-${name}.sock`));
  const listeners = await Promise.all(paths.map((path) => network.listen(path, () => new Inbox())));
  for (const path of paths) (await network.connect(path, new Inbox())).close();
  for (const listener of listeners) await listener.close();
});

it('takes over the socket file of a killed process, but not of a living one', async () => {
  const path = addresses.unix();
  const network = socketNetwork(systemClock);
  const living = await network.listen(path, () => new Inbox());
  cleanups.push(() => living.close());
  await expect(network.listen(path, () => new Inbox())).rejects.toThrow('EADDRINUSE');
  const stale = join(directory, 'stale.sock');
  const { spawnSync } = await import('node:child_process');
  const script = `require('net').createServer().listen(${JSON.stringify(stale)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script]);
  const listener = await network.listen(stale, () => new Inbox());
  await network.connect(stale, new Inbox()).then((channel) => channel.close());
  await listener.close();
});

it('parses addresses', () => {
  expect(socketAddress('/tmp/x.sock')).toEqual({ path: '/tmp/x.sock' });
  expect(socketAddress('localhost:9092')).toEqual({ host: 'localhost', port: 9092 });
  expect(socketAddress('[::1]:9092')).toEqual({ host: '::1', port: 9092 });
  expect(socketAddress(':9092')).toEqual({ host: '127.0.0.1', port: 9092 });
  expect(() => socketAddress('nowhere')).toThrow(TypeError);
});
