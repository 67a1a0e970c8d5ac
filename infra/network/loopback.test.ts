import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../engine/kernel/clock.ts';
import { LinkClosed } from '../../engine/ports.ts';
import { offerLoopback } from './loopback.ts';
import { socketNetwork } from './socket-network.ts';

let directory: string;
let path: string;
const sockets: Socket[] = [];
const servers: Server[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'loopback-'));
  path = join(directory, 'b.sock');
});

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
  rmSync(directory, { recursive: true, force: true });
});

function kept(socket: Socket): Socket {
  sockets.push(socket);
  return socket.on('error', () => undefined);
}

async function listening(at: string | 0, onConnection: (socket: Socket) => void): Promise<Server> {
  const server = new Server((socket) => onConnection(kept(socket)));
  servers.push(server);
  server.listen(at === 0 ? { host: '127.0.0.1', port: 0 } : { path: at });
  await once(server, 'listening');
  return server;
}

async function comeTo(port: number): Promise<Socket> {
  const socket = kept(connect({ host: '127.0.0.1', port }));
  await once(socket, 'connect');
  return socket;
}

/** Also by a reset, which `once` would throw. */
function gone(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) resolve();
    else socket.resume().once('close', () => resolve());
  });
}

function portBytes(port: number, mark = ''): Buffer {
  const bytes = Buffer.alloc(mark.length + 4);
  bytes.write(mark, 'latin1');
  bytes.writeUInt32BE(port, mark.length);
  return bytes;
}

const waitMs = 10_000;

it('a stranger at the offered port is not accepted', async () => {
  let offered: (unix: Socket) => void;
  const listener = new Promise<Socket>((resolve) => (offered = resolve));
  await listening(path, (socket) => offered(socket));
  const offer = offerLoopback(path, systemClock, waitMs);
  const unix = await listener;
  const [bytes] = (await once(unix, 'data')) as [Buffer];
  const port = bytes.readUInt32BE(4);
  const first = await comeTo(port);
  const own = await comeTo(port);
  const last = await comeTo(port);
  unix.write(portBytes(own.localPort!));
  expect(kept(await offer).remotePort).toBe(own.localPort);
  await Promise.all([first, last].map(gone));
  await expect(comeTo(port)).rejects.toThrow('ECONNREFUSED');
});

it.runIf(process.platform === 'linux')(
  'a stranger with the port of the listener and another address is not accepted',
  async () => {
    let offered: (unix: Socket) => void;
    const listener = new Promise<Socket>((resolve) => (offered = resolve));
    await listening(path, (socket) => offered(socket));
    const offer = offerLoopback(path, systemClock, waitMs);
    const unix = await listener;
    const [bytes] = (await once(unix, 'data')) as [Buffer];
    const port = bytes.readUInt32BE(4);
    const own = await comeTo(port);
    const localPort = own.localPort!;
    const stranger = kept(connect({ host: '127.0.0.1', port, localAddress: '127.0.0.2', localPort }));
    await gone(stranger);
    unix.write(portBytes(localPort));
    expect(kept(await offer).remoteAddress).toBe('127.0.0.1');
  },
);

it('an offered connection is served once it is accepted, and not before', async () => {
  const frames: string[] = [];
  let closed = 0;
  let wake: () => void = () => undefined;
  const listener = await socketNetwork(systemClock).listen(path, () => ({
    frame(frame) {
      frames.push(String(frame));
      wake();
    },
    closed() {
      closed++;
      wake();
    },
  }));
  const arrivals: Socket[] = [];
  const server = await listening(0, (socket) => {
    socket.write(Buffer.from('00000002' + '6869', 'hex'));
    arrivals.push(socket);
  });
  const offer = async (): Promise<Socket> => {
    const unix = kept(connect({ path }));
    unix.write(portBytes((server.address() as AddressInfo).port, 'HGLO'));
    const [answer] = (await once(unix, 'data')) as [Buffer];
    expect(arrivals.at(-1)!.remotePort).toBe(answer.readUInt32BE(0));
    return unix;
  };
  const givenUp = await offer();
  givenUp.destroy();
  await gone(arrivals[0]!);
  while (closed < 1) await new Promise<void>((resolve) => (wake = resolve));
  expect(frames).toEqual([]);
  const unix = await offer();
  expect(frames).toEqual([]);
  unix.write(Buffer.of(1));
  while (frames.length === 0) await new Promise<void>((resolve) => (wake = resolve));
  expect(frames).toEqual(['hi']);
  await listener.close();
});

it('the Unix socket serves if the offer gets no answer', async () => {
  let connections = 0;
  await listening(path, (unix) => {
    connections++;
    unix.once('data', (bytes) => {
      if (bytes.toString('latin1', 0, 4) === 'HGLO') unix.destroy();
      else unix.write(bytes);
    });
  });
  let received: (frame: Buffer) => void;
  const answer = new Promise<Buffer>((resolve) => (received = resolve));
  const handler = { frame: (frame: Buffer) => received(Buffer.from(frame)), closed: () => undefined };
  const channel = await socketNetwork(systemClock).connect(path, handler, true);
  channel.send([Buffer.from('hello')]);
  expect(String(await answer)).toBe('hello');
  expect(connections).toBe(2);
  channel.close();
});

it('the link closes if nobody listens', async () => {
  const handler = { frame: () => undefined, closed: () => undefined };
  await expect(socketNetwork(systemClock).connect(path, handler, true)).rejects.toBeInstanceOf(LinkClosed);
});
