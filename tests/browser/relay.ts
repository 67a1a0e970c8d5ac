/**
 * The network between a browser and Headgate, to be cut: a TCP relay on a port of its own. `cut` ends every connection with
 * a reset, as a dying router does; `freeze` lets them stand and carries nothing, as a network does that went away without
 * a word.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export class Relay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isFrozen = false;
  /** Connections that were made through it. */
  connections = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async to(target: string): Promise<Relay> {
    const { hostname, port } = new URL(target);
    const server = createServer();
    const relay = new Relay(server);
    server.on('connection', (near) => relay.#carry(near, connect(Number(port), hostname)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return relay;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Open connections stay open but receive nothing more; new connections are accepted and receive nothing either. */
  freeze(): void {
    this.#isFrozen = true;
    for (const socket of this.#sockets) still(socket);
  }

  /** For connections to come; the frozen ones are lost. */
  thaw(): void {
    this.#isFrozen = false;
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #carry(near: Socket, far: Socket): void {
    this.connections++;
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
      if (this.#isFrozen) still(one);
    }
  }
}

function still(socket: Socket): void {
  socket.unpipe();
  socket.pause();
}
