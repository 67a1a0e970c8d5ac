/**
 * The Network port over node:net. An address is the path of a Unix socket (it contains a '/') or host:port.
 *
 * Every connection receives into one buffer that is reused for each read (`onread`): 0.18-0.26 CPU seconds per gigabyte
 * where the default 'data' events take 0.43, because no buffer is allocated per read. The rest of a large frame is received
 * directly into its own buffer, which saves the copy. Node offers `onread` only for outgoing connections, so an accepted
 * connection's handle is moved into a Socket created with the option; where a Node version has no such handle, 'data'
 * events do the same work at the higher price.
 */
import { Server, Socket, connect, type OnReadOpts, type SocketConstructorOpts } from 'node:net';
import { mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../../engine/kernel/clock.ts';
import { type FrameChannel, type FrameHandler, LinkClosed, type Network } from '../../engine/ports.ts';
import { acceptOffer, loopbackHost, offerLoopback } from './loopback.ts';
import { type ChannelSettings, SocketChannel } from './socket-channel.ts';

export interface SocketNetworkSettings extends ChannelSettings {
  /** Size of each connection's receive buffer. */
  readonly receiveBufferBytes: number;
  readonly connectMsMax: number;
}

export const socketNetworkDefaults: SocketNetworkSettings = {
  frameBytesMax: 104_857_600,
  receiveBufferBytes: 256 * 1024,
  connectMsMax: 2000,
  closeMsMax: 1000,
};

export function socketNetwork(clock: Clock, settings: SocketNetworkSettings = socketNetworkDefaults): Network {
  return {
    connect: (address, handler, isBulk = false) =>
      isBulk ? dialBulk(address, handler, clock, settings) : dial(address, handler, clock, settings),
    listen: (address, accept) => listen(address, accept, clock, settings),
  };
}

type SocketAddress = { readonly path: string } | { readonly host: string; readonly port: number };

/** Throws a TypeError: addresses come from our own settings and rows. */
export function socketAddress(address: string): SocketAddress {
  if (address.includes('/')) return { path: address };
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(address);
  if (!match) throw new TypeError(`address ${address} is neither a path nor host:port`);
  return { host: (match[1] ?? match[2]) || '127.0.0.1', port: Number(match[3]) };
}

function onread(channel: SocketChannel, settings: SocketNetworkSettings): OnReadOpts {
  const shared = Buffer.allocUnsafeSlow(settings.receiveBufferBytes);
  return {
    // Called after each read for the place of the next.
    buffer: () => channel.target(shared),
    callback: (length, buffer) => {
      channel.received(buffer, length);
      return true;
    },
  };
}

function dial(
  address: string,
  handler: FrameHandler,
  clock: Clock,
  settings: SocketNetworkSettings,
): Promise<FrameChannel> {
  return new Promise((resolve, reject) => {
    const channel = new SocketChannel(clock, settings);
    const socket = connect({ ...socketAddress(address), onread: onread(channel, settings) });
    const refuse = (error: Error): void => {
      timer.cancel();
      socket.destroy();
      reject(new LinkClosed(`${address}: ${error.message}`, false));
    };
    const timer = clock.after(settings.connectMsMax, () => refuse(new Error('no connection in time')), 'background');
    socket.once('error', refuse);
    socket.once('connect', () => {
      timer.cancel();
      socket.off('error', refuse);
      channel.attach(socket, handler);
      resolve(channel);
    });
  });
}

/** Over TCP where possible: see loopback.ts. */
async function dialBulk(
  address: string,
  handler: FrameHandler,
  clock: Clock,
  settings: SocketNetworkSettings,
): Promise<FrameChannel> {
  const at = socketAddress(address);
  const accepted =
    'path' in at ? await offerLoopback(at.path, clock, settings.connectMsMax).catch(() => undefined) : undefined;
  if (!accepted) return dial(address, handler, clock, settings);
  const channel = new SocketChannel(clock, settings);
  const socket = reusingSocket(accepted, channel, settings);
  channel.attach(socket, handler);
  socket.resume();
  return channel;
}

async function listen(
  address: string,
  accept: (channel: FrameChannel) => FrameHandler,
  clock: Clock,
  settings: SocketNetworkSettings,
): Promise<{ close(): Promise<void> }> {
  const at = socketAddress(address);
  const channels = new Set<SocketChannel>();
  const serve = (channel: SocketChannel, socket: Socket): void => {
    channels.add(channel);
    socket.once('close', () => channels.delete(channel));
    channel.attach(socket, accept(channel));
  };
  const server = new Server({ pauseOnConnect: true }, (accepted) => {
    const onOffer = (port: number): (() => void) => {
      const bulk = new SocketChannel(clock, settings);
      const bulkSocket = connect({ host: loopbackHost, port, onread: onread(bulk, settings) }).pause();
      return acceptOffer(socket, bulkSocket, () => {
        serve(bulk, bulkSocket);
        bulkSocket.resume();
      });
    };
    const channel = new SocketChannel(clock, settings, 'path' in at ? onOffer : undefined);
    const socket = reusingSocket(accepted, channel, settings);
    serve(channel, socket);
    socket.resume();
  });
  try {
    await bind(server, at);
  } catch (error) {
    if (!('path' in at)) throw error;
    await makeRoom(at.path, error);
    await bind(server, at);
  }
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const channel of channels) channel.cut();
      }),
  };
}

/** Throws `error` when it cannot be repaired. */
async function makeRoom(path: string, error: unknown): Promise<void> {
  // Somebody has deleted the folder of sockets, which looks unused. libuv reports EACCES where the system says ENOENT.
  // Another broker may have created the folder since; if it existed all the time, the next try fails like this one.
  if (isCode(error, 'EACCES')) {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    return;
  }
  if (!isCode(error, 'EADDRINUSE') || (await isServed(path))) throw error;
  // A killed process leaves its socket file behind; its successor takes over the name.
  await rm(path, { force: true });
}

/** The accepted connection as a socket that reads into one buffer, or itself with 'data' events. */
function reusingSocket(accepted: Socket, channel: SocketChannel, settings: SocketNetworkSettings): Socket {
  const handle: unknown = Reflect.get(accepted, '_handle');
  if (typeof handle !== 'object' || handle === null) {
    accepted.on('data', (chunk: Buffer) => channel.received(chunk, chunk.length));
    return accepted;
  }
  const options = { handle, readable: true, writable: true, onread: onread(channel, settings) };
  const socket = new Socket(options as SocketConstructorOpts);
  // Without its handle the first socket ends without closing anything, and the server no longer counts it.
  Reflect.set(accepted, '_handle', null);
  accepted.destroy();
  return socket;
}

function bind(server: Server, at: SocketAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(at, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Whether some process accepts connections on this socket file. */
function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
