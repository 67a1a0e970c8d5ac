import fc from 'fast-check';
import { expect, it } from 'vitest';
import { UwsStream } from './uws-stream.ts';
import type { UwsBytes, UwsResponse } from './uws-types.ts';

const kibi = 1024;
const corkBytes = 16 * kibi;
const nothing = Buffer.alloc(0);

/** uWS's response over a socket whose buffer has `roomBytes`, as AsyncSocket.h writes. A chunk is its length and its bytes. */
class Socket {
  readonly #roomBytes: number;
  /** In the kernel. */
  #sent = nothing;
  #corked: Buffer | undefined;
  #isPolled = false;
  arrived = nothing;
  buffered = nothing;
  bufferedMost = 0;

  constructor(roomBytes: number) {
    this.#roomBytes = roomBytes;
  }

  get response(): UwsResponse {
    const write = (chunk: UwsBytes): boolean => {
      const bytes = Buffer.from(chunk as Uint8Array);
      const frame = Buffer.alloc(4);
      frame.writeUInt32BE(bytes.length);
      this.#write(frame);
      return this.#write(bytes);
    };
    const cork = (fill: () => void): void => {
      this.#corked = nothing;
      fill();
      if (this.#corked) this.#uncork(nothing);
    };
    return { write, cork } as unknown as UwsResponse;
  }

  #write(bytes: Buffer): boolean {
    if (this.buffered.length > 0 && !this.#send(nothing)) return this.#send(bytes);
    if (!this.#corked) return this.#send(bytes);
    if (this.#corked.length + bytes.length > corkBytes) return this.#uncork(bytes);
    this.#corked = Buffer.concat([this.#corked, bytes]);
    return true;
  }

  #uncork(bytes: Buffer): boolean {
    const corked = this.#corked!;
    this.#corked = undefined;
    // When what was corked is not sent, the bytes are forgotten: uWS before 20.50.
    return this.#send(corked) && this.#send(bytes);
  }

  #send(bytes: Buffer): boolean {
    const all = Buffer.concat([this.buffered, bytes]);
    const free = this.#roomBytes - this.#sent.length;
    this.#sent = Buffer.concat([this.#sent, all.subarray(0, free)]);
    this.buffered = all.subarray(free);
    this.bufferedMost = Math.max(this.bufferedMost, this.buffered.length);
    if (this.buffered.length > 0) this.#isPolled = true;
    return this.buffered.length === 0;
  }

  /** Whether the system then reports the socket as writable: a third of its buffer is free. */
  read(bytes: number): boolean {
    this.arrived = Buffer.concat([this.arrived, this.#sent.subarray(0, bytes)]);
    this.#sent = this.#sent.subarray(bytes);
    const isWritable = this.#isPolled && this.#sent.length * 3 <= this.#roomBytes * 2;
    if (isWritable) this.#isPolled = false;
    return isWritable;
  }

  isIdle(): boolean {
    return this.#sent.length === 0 && !this.#isPolled;
  }

  body(): Buffer {
    const chunks: Buffer[] = [];
    for (let at = 0; at < this.arrived.length; at += 4 + this.arrived.readUInt32BE(at)) {
      chunks.push(this.arrived.subarray(at + 4, at + 4 + this.arrived.readUInt32BE(at)));
    }
    return Buffer.concat(chunks);
  }
}

it('sends everything in order to a slow client, and lets uWS hold little of it', () => {
  const length = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 200 * kibi }));
  const lengths = fc.array(length, { maxLength: 6 });
  fc.assert(
    fc.property(lengths, fc.integer({ min: 4, max: 300 }), fc.integer({ min: 4, max: 200 }), (chunks, room, read) => {
      const socket = new Socket(room * kibi);
      const stream = new UwsStream(socket.response);
      const written = chunks.map((bytes, i) => Buffer.alloc(bytes, i + 1));
      let next = 0;
      const write = (): void => {
        while (next < written.length) if (!stream.write(written[next++]!)) return;
      };
      write();
      while (!socket.isIdle()) if (socket.read(read * kibi) && stream.writable()) write();
      expect(socket.body().equals(Buffer.concat(written))).toBe(true);
      expect([next, stream.waitingBytes]).toEqual([written.length, 0]);
      expect(socket.bufferedMost).toBeLessThanOrEqual(2 * corkBytes);
    }),
  );
});

it('counts what a writer adds without waiting', () => {
  const socket = new Socket(10 * kibi);
  const stream = new UwsStream(socket.response);
  for (let i = 0; i < 5; i++) expect(stream.write(Buffer.alloc(20 * kibi))).toBe(false);
  expect(stream.waitingBytes).toBe(80 * kibi);
  stream.giveRest();
  expect(stream.waitingBytes).toBe(0);
  expect(socket.buffered.length).toBeGreaterThan(89 * kibi);
});
