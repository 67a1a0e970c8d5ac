/**
 * Pipelining of one connection: requests start in the order they arrived, run concurrently where that changes nothing, and
 * are answered in the order they arrived, which clients rely on.
 *
 * Each API states what may run beside it. 'free' requests run beside each other. A 'fetch' waits for the previous fetch,
 * because fetch sessions count their requests and because answers are large. An 'alone' request (it changes what others
 * read: CreateTopics, OffsetCommit, …) starts when all before it are answered, and holds back all behind it. Kafka itself
 * runs one request of a connection at a time, so nothing here is slower than there.
 */
export type Beside = 'free' | 'fetch' | 'alone';

export interface Waiting {
  readonly frame: Buffer;
  readonly receivedMs: number;
  readonly beside: Beside;
}

/** `undefined` parts: the request has no answer (Produce with acks=0). */
interface Slot {
  readonly beside: Beside;
  readonly bytes: number;
  parts: readonly Uint8Array[] | undefined;
  sent: (() => void) | undefined;
  done: boolean;
}

export interface InOrderLimits {
  readonly requestsInFlightMax: number;
  readonly requestBytesInFlightMax: number;
}

/** `sent` is called when nothing reads the parts any more; perhaps never. */
export type Answer = (parts: readonly Uint8Array[] | undefined, sent?: () => void) => void;

/** The owner of the ordered requests: a connection. */
export interface Pipelined {
  /** Called in request order; must call `answer` once, now or later. */
  start(frame: Buffer, receivedMs: number, answer: Answer): void;
  /** Called in the same order. */
  send(parts: readonly Uint8Array[], sent: (() => void) | undefined): void;
}

export class InOrder {
  readonly #limits: InOrderLimits;
  readonly #owner: Pipelined;
  /** Received and not started; more than a few only when one read brought many. */
  #waiting: Waiting[] = [];
  #slots: Slot[] = [];
  #bytes = 0;
  #fetches = 0;
  #alone = 0;
  #held = false;
  #starting = false;

  constructor(limits: InOrderLimits, owner: Pipelined) {
    this.#limits = limits;
    this.#owner = owner;
  }

  /** `receivedMs` is handed on. */
  add(frame: Buffer, receivedMs: number, beside: Beside): void {
    this.#waiting.push({ frame, receivedMs, beside });
    this.#startReady();
  }

  /** While held no request starts: the connection is muted, or its peer does not take its answers. */
  hold(held: boolean): void {
    this.#held = held;
    if (!held) this.#startReady();
  }

  /** True: do not read the socket, the next request could not start. */
  isFull(): boolean {
    return this.#held || this.#waiting.length > 0 || !this.#hasRoom(0);
  }

  isEmpty(): boolean {
    return this.#slots.length === 0 && this.#waiting.length === 0;
  }

  /** No request is in flight; unstarted requests may remain. */
  isIdle(): boolean {
    return this.#slots.length === 0;
  }

  #startReady(): void {
    // A request that answers at once re-enters here; the loop below is already running.
    if (this.#starting) return;
    this.#starting = true;
    try {
      while (this.#waiting.length > 0 && this.#mayStart(this.#waiting[0]!)) this.#begin(this.#waiting.shift()!);
    } finally {
      this.#starting = false;
    }
  }

  #mayStart({ frame, beside }: Waiting): boolean {
    if (this.#held || !this.#hasRoom(frame.length) || this.#alone > 0) return false;
    return beside === 'free' || (beside === 'fetch' ? this.#fetches === 0 : this.#slots.length === 0);
  }

  #hasRoom(bytes: number): boolean {
    if (this.#slots.length === 0) return true;
    const { requestsInFlightMax, requestBytesInFlightMax } = this.#limits;
    return this.#slots.length < requestsInFlightMax && this.#bytes + bytes < requestBytesInFlightMax;
  }

  #begin({ frame, receivedMs, beside }: Waiting): void {
    const slot: Slot = { beside, bytes: frame.length, parts: undefined, sent: undefined, done: false };
    this.#slots.push(slot);
    this.#bytes += slot.bytes;
    if (beside === 'fetch') this.#fetches++;
    if (beside === 'alone') this.#alone++;
    this.#owner.start(frame, receivedMs, (parts, sent) => {
      if (slot.done) return;
      slot.done = true;
      slot.parts = parts;
      slot.sent = sent;
      if (beside === 'fetch') this.#fetches--;
      if (beside === 'alone') this.#alone--;
      this.#sendDone();
      this.#startReady();
    });
  }

  #sendDone(): void {
    let sent = 0;
    for (; sent < this.#slots.length && this.#slots[sent]!.done; sent++) {
      const { parts, bytes, sent: whenSent } = this.#slots[sent]!;
      this.#bytes -= bytes;
      if (parts) this.#owner.send(parts, whenSent);
    }
    if (sent > 0) this.#slots.splice(0, sent);
  }
}
