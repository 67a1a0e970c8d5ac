/**
 * Admits the sockets of one of Node's servers. Each takes its room as it is accepted, before any TLS handshake, and gives
 * it back when it ends. When there is no room, an unauthenticated socket (strangers.ts) is cut for the new one.
 */
import type { Server, Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import type { Random } from '../engine/kernel/random.ts';
import type { Room } from './connection-room.ts';
import { Strangers } from './strangers.ts';

export class Entrance {
  readonly room: Room;
  readonly #insideMax: number;
  readonly #inside = new Set<Socket>();
  readonly #strangers: Strangers<Socket>;
  /** The accepted sockets under TLS whose handshake has not ended, by remote and local address. */
  readonly #shaking = new Map<string, Socket>();
  /** A TLS socket's accepted socket. */
  readonly #acceptedOf = new WeakMap<Socket, Socket>();

  constructor(room: Room, random: Random, insideMax = Infinity) {
    this.room = room;
    this.#insideMax = insideMax;
    this.#strangers = new Strangers(random);
  }

  /** For servers that report each connection. Under TLS it becomes another socket after the handshake. */
  watch(server: Server): void {
    const isTls = server instanceof TlsServer;
    server.on('connection', (socket) => {
      // node:http is given a socket again when it declines an upgrade (server-node.ts).
      if (this.#inside.has(socket)) return;
      if (!this.letIn(socket)) {
        socket.destroy();
        return;
      }
      const way = isTls ? wayOf(socket) : '';
      if (isTls) this.#shaking.set(way, socket);
      socket.once('close', () => {
        if (this.#shaking.get(way) === socket) this.#shaking.delete(way);
        this.gone(socket);
      });
    });
    if (!isTls) return;
    server.on('secureConnection', (socket: Socket) => {
      const way = wayOf(socket);
      const accepted = this.#shaking.get(way);
      if (!accepted) return;
      this.#shaking.delete(way);
      this.#acceptedOf.set(socket, accepted);
      this.#strangers.shookHands(accepted);
    });
  }

  /** False: there is no room, and the socket must be closed. */
  letIn(socket: Socket): boolean {
    if (this.#isFull) {
      const stranger = this.#strangers.choose();
      if (stranger) {
        this.room.refuse();
        this.gone(stranger);
        stranger.destroy();
      }
    }
    if (this.#inside.size >= this.#insideMax) {
      this.room.refuse();
      return false;
    }
    if (!this.room.take()) return false;
    this.#inside.add(socket);
    this.#strangers.add(socket, socket.remoteAddress ?? '');
    return true;
  }

  get #isFull(): boolean {
    return this.#inside.size >= this.#insideMax || this.room.isFull;
  }

  /** The connection is authenticated and may stay as long as it likes. */
  known(socket: Socket): void {
    this.#strangers.delete(this.#acceptedOf.get(socket) ?? socket);
  }

  /** For a server that is closing: it also waits for sockets that never complete a handshake, and does not know them. */
  cutShaking(): void {
    for (const socket of this.#shaking.values()) socket.destroy();
  }

  /** The connection has ended; may be called more than once. */
  gone(socket: Socket): void {
    if (!this.#inside.delete(socket)) return;
    this.#strangers.delete(socket);
    this.room.give();
  }
}

function wayOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
