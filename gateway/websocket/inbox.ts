/**
 * Messages of one socket that wait for their cluster's share of a turn (fair-turns.ts), in the order they arrived. A
 * WebSocket cannot be told to stop sending, so their number is limited, and their bytes count as request memory.
 */
import type { SessionParts } from './session-parts.ts';

/** What keeping a message takes beside its bytes. */
const overheadBytes = 256;

interface Message {
  readonly data: Buffer;
  readonly isBinary: boolean;
}

export class Inbox {
  readonly #parts: Pick<SessionParts, 'context' | 'bodyMemory' | 'settings'>;
  readonly #clusterId: string;
  readonly #handle: (data: Buffer, isBinary: boolean) => void;
  #messages: Message[] = [];

  /** `handle` must not throw. */
  constructor(
    parts: Pick<SessionParts, 'context' | 'bodyMemory' | 'settings'>,
    clusterId: string,
    handle: (data: Buffer, isBinary: boolean) => void,
  ) {
    this.#parts = parts;
    this.#clusterId = clusterId;
    this.#handle = handle;
  }

  get length(): number {
    return this.#messages.length;
  }

  /** False: it was not taken, because too many wait. */
  tryTake(data: Buffer, isBinary: boolean): boolean {
    const { context, bodyMemory, settings } = this.#parts;
    if (this.#messages.length >= settings.messagesWaitingMax) return false;
    if (!bodyMemory.tryTake(this.#clusterId, data.length + overheadBytes)) return false;
    this.#messages.push({ data, isBinary });
    context.turns.later(this.#clusterId, () => this.#next());
    return true;
  }

  #next(): void {
    const message = this.#messages.shift();
    if (!message) return;
    this.#give(message);
    this.#handle(message.data, message.isBinary);
  }

  #give({ data }: Message): void {
    this.#parts.bodyMemory.give(this.#clusterId, data.length + overheadBytes);
  }

  /** Forgets what waits: nobody could be answered any more. */
  close(): void {
    for (const message of this.#messages.splice(0)) this.#give(message);
  }
}
