/**
 * A TCP connection over the loopback interface for two processes that meet at a Unix socket. The kernel buffers 208 KiB at
 * a time of the bytes written to a Unix socket (net.core.wmem_default; Node cannot ask for more), so an answer of a
 * mebibyte takes five pieces, and the two processes wake each other for each of them. TCP buffers megabytes. But a Unix
 * socket has the permissions of its file, while anybody can connect to a port. Hence:
 *
 *   dialer    listens at a port that the kernel chooses, and offers it over the Unix socket
 *   listener  connects there, and names the port from which it comes
 *   dialer    takes the connection from that port and no other, says so over the Unix socket, and stops listening
 *   listener  serves the connection from then on
 *
 * Two ports of one address identify one connection, which nobody else can have. A connection that was not taken is not
 * served, so it does no harm when the offered port belongs to another process by the time the listener connects.
 */
import { connect, Server, type Socket } from 'node:net';
import type { Clock } from '../../engine/kernel/clock.ts';

export const loopbackHost = '127.0.0.1';
/** Read as a frame length it exceeds any limit, so a listener that does not know it ends the connection. */
const offerMark = Buffer.from('HGLO');
const offerBytes = 8;
const answerBytes = 4;
const takenNote = Buffer.of(1);
/** Strangers may connect to the port while it is open; at most this many are checked. */
const arrivalsMax = 16;

/**
 * The port that the first bytes of a connection offer. They were written at once, so on a Unix socket they arrive at once.
 */
export function offeredPort(chunk: Uint8Array, length: number): number | undefined {
  const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, length);
  return length === offerBytes && bytes.subarray(0, 4).equals(offerMark) ? bytes.readUInt32BE(4) : undefined;
}

/**
 * The listener's part: `socket` is connecting to the offered port and not read. Returns the function to call when it was
 * taken.
 */
export function acceptOffer(unix: Socket, socket: Socket, serve: () => void): () => void {
  const refuse = (): void => void unix.destroy();
  const drop = (): void => void socket.destroy();
  socket.once('error', refuse);
  unix.once('close', drop);
  socket.once('connect', () => {
    const answer = Buffer.alloc(answerBytes);
    answer.writeUInt32BE(socket.localPort ?? 0);
    unix.write(answer);
  });
  return () => {
    socket.off('error', refuse);
    unix.off('close', drop);
    serve();
  };
}

/**
 * The dialer's part: an accepted, paused socket. Rejects when the other end refuses it, or does not take it within
 * `waitMs`.
 */
export function offerLoopback(path: string, clock: Clock, waitMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const arrived = new Map<number, Socket>();
    let wantedPort: number | undefined;
    let isOver = false;
    const server = new Server({ pauseOnConnect: true });
    const unix = connect({ path });
    const end = (settle: () => void, taken?: Socket): void => {
      if (isOver) return;
      isOver = true;
      timer.cancel();
      server.close();
      if (taken) unix.write(takenNote);
      unix.destroySoon();
      for (const socket of arrived.values()) if (socket !== taken) socket.destroy();
      settle();
    };
    const fail = (error: Error): void => end(() => reject(error));
    const look = (): void => {
      const socket = wantedPort === undefined ? undefined : arrived.get(wantedPort);
      if (socket) end(() => resolve(socket), socket);
    };
    const timer = clock.after(waitMs, () => fail(new Error('no connection in time')), 'background');
    unix.on('error', fail);
    unix.on('close', () => fail(new Error('the offer was refused')));
    unix.once('data', (answer) => {
      if (answer.length === answerBytes) wantedPort = answer.readUInt32BE(0);
      look();
    });
    server.on('error', fail);
    server.on('connection', (socket) => {
      socket.on('error', () => socket.destroy());
      // From another address of the interface somebody else can connect from the listener's very port.
      const isElsewhere = socket.remoteAddress !== loopbackHost;
      if (isOver || isElsewhere || arrived.size >= arrivalsMax) socket.destroy();
      else arrived.set(socket.remotePort ?? 0, socket);
      look();
    });
    server.listen({ host: loopbackHost, port: 0 }, () => {
      const address = server.address();
      const offer = Buffer.alloc(offerBytes);
      offerMark.copy(offer);
      offer.writeUInt32BE(typeof address === 'object' && address ? address.port : 0, 4);
      unix.write(offer);
    });
  });
}
