/** A raw connection: bytes out, bytes in, and the three ways in which waiting can end. */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Address } from './world.ts';

export type Ending = 'met' | 'closed' | 'silent';

export class Wire {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #isClosed = false;
  #wake: (() => void) | undefined;
  readonly onBytes: ((bytes: Buffer) => void) | undefined;

  private constructor(socket: Socket, onBytes: ((bytes: Buffer) => void) | undefined) {
    this.#socket = socket;
    this.onBytes = onBytes;
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      onBytes?.(chunk);
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
      this.#wake?.();
    });
    // Half-open is what is tested: the end of the other side is seen, and answered by ours.
    socket.on('end', () => this.#close());
    socket.on('close', () => this.#close());
  }

  static open({ host, port, tls }: Address, onBytes?: (bytes: Buffer) => void): Promise<Wire> {
    return new Promise((resolve, reject) => {
      const socket = tls ? connectTls({ host, port }) : connect({ host, port });
      socket.once('error', reject);
      socket.once(tls ? 'secureConnect' : 'connect', () => {
        socket.off('error', reject);
        resolve(new Wire(socket, onBytes));
      });
    });
  }

  get received(): Buffer {
    return this.#received;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Drops what was read up to `end`. */
  consume(end: number): void {
    this.#received = this.#received.subarray(end);
  }

  write(bytes: Uint8Array | string): void {
    if (!this.#isClosed) this.#socket.write(bytes);
  }

  /** Our side says that it sends no more. */
  halfClose(): void {
    if (!this.#isClosed) this.#socket.end();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  cut(): void {
    this.#socket.destroy();
    this.#close();
  }

  /** Looks at every arrival whether `isMet`. Nobody else may wait meanwhile. */
  async until(isMet: (received: Buffer) => boolean, msMax: number): Promise<Ending> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#wake?.();
    }, msMax);
    try {
      for (;;) {
        if (isMet(this.#received)) return 'met';
        if (this.#isClosed) return 'closed';
        if (isLate) return 'silent';
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      clearTimeout(timer);
      this.#wake = undefined;
    }
  }

  #close(): void {
    this.#isClosed = true;
    this.#wake?.();
  }
}
