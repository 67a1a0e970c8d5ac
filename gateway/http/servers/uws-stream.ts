/**
 * The body of a streamed reply. uWebSockets.js takes whatever is written, also while it has not sent the rest, and never says
 * how much that is or when all of it has left. So a full socket is given little, which shows whether it is still full, and
 * what does not fit waits here, where it is counted.
 */
import { byteLength } from './dispatch.ts';
import type { UwsBytes, UwsResponse } from './uws-types.ts';

/**
 * Fits, with the frame of a chunk, into uWS's buffer of a cork (16 KiB). A write beyond that sends the buffer first, and when the
 * socket takes none of it, the build for Node 20 forgets what was to be written.
 */
const pieceBytes = 15 * 1024;
/** Less than becomes free before a socket is writable again (a third of its buffer): what uWS holds never grows. */
const probeBytes = 1024;

export class UwsStream {
  readonly #response: UwsResponse;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** The last piece was not sent as a whole. */
  #isFull = false;
  #nextPieceBytes = pieceBytes;

  constructor(response: UwsResponse) {
    this.#response = response;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Whether all of it has been sent. If not, `writable` says when more may be written. */
  write(chunk: UwsBytes): boolean {
    const bytes = byteLength(chunk);
    if (bytes === 0) return !this.#isFull;
    if (!this.#isFull && bytes <= this.#nextPieceBytes) {
      this.#give(chunk);
    } else {
      this.#waiting.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
      this.#waitingBytes += bytes;
      this.#giveWaiting();
    }
    return !this.#isFull;
  }

  /** For uWS's onWritable. Returns whether a writer that was told to wait may go on. */
  writable(): boolean {
    // With a handler for this event uWS leaves what it has buffered to the next write, and that may never come: a client
    // that waits for the rest would wait for ever. The end of a cork sends it.
    this.#response.cork(() => {});
    if (!this.#isFull) return false;
    this.#isFull = false;
    this.#giveWaiting();
    return !this.#isFull;
  }

  /** Nothing is written any more: uWS sends the rest by itself once the reply has ended. */
  giveRest(): void {
    while (this.#waiting.length > 0) {
      this.#isFull = false;
      this.#nextPieceBytes = pieceBytes;
      this.#giveWaiting();
    }
  }

  #giveWaiting(): void {
    while (!this.#isFull && this.#waiting.length > 0) {
      const chunk = this.#waiting[0]!;
      const piece = chunk.subarray(0, this.#nextPieceBytes);
      if (piece.length === chunk.length) this.#waiting.shift();
      else this.#waiting[0] = chunk.subarray(piece.length);
      this.#waitingBytes -= piece.length;
      this.#give(piece);
    }
  }

  #give(piece: UwsBytes): void {
    this.#response.cork(() => {
      this.#isFull = !this.#response.write(piece);
    });
    this.#nextPieceBytes = this.#isFull ? probeBytes : pieceBytes;
  }
}
