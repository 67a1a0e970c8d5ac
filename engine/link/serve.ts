/**
 * The broker's side of links. Turns frames into typed requests, passes each to one handler, and sends the answers in
 * whatever order the handler gives them. A frame that cannot be decoded closes its connection, because the stream after it
 * cannot be trusted. An exception from the handler is a bug and passes through.
 *
 * Bounds, per connection: reading stops while `inFlightMax` requests are unanswered or while the peer leaves more than
 * `bufferedBytesMax` of answers unread, so a slow peer slows only itself.
 */
import { type FrameChannel, type FrameHandler, type Network } from '../ports.ts';
import { type ApiKey, isApiKey, type RequestOf, type ResponseOf } from '../protocol/apis.ts';
import { MalformedFrame } from '../protocol/malformed-frame.ts';
import { UnsupportedVersion } from '../protocol/unsupported-version.ts';
import { decodeRequest, decodeRequestHeader, encodeResponse } from '../protocol/headers.ts';

export interface ServeSettings {
  readonly inFlightMax: number;
  readonly bufferedBytesMax: number;
}

export const serveDefaults: ServeSettings = {
  inFlightMax: 131_072,
  bufferedBytesMax: 64 * 1024 * 1024,
};

/** One request; a switch on `key` narrows the rest. Byte fields are views of `frame`. */
export type Call = { [K in ApiKey]: CallOf<K> }[ApiKey];

export interface CallOf<K extends ApiKey> {
  readonly key: K;
  readonly version: number;
  /** From the header: engine/routing/coordinator-request.ts says what group requests put there. */
  readonly clientId: string;
  readonly request: RequestOf<K>;
  /** As received. Code that knows that nothing reads it any more may give it to the frame pool. */
  readonly frame: Buffer;
  /**
   * To be called at most once: later calls, and calls after the connection has ended, do nothing. Without a call there is
   * no answer. `sent` is called when nothing reads the response's byte fields any more, where that can be known.
   */
  respond(response: ResponseOf<K>, sent?: () => void): void;
  /** Lets a handler skip work whose result nobody would see. */
  isClosed(): boolean;
}

export type ServeHandler = (call: Call) => void;

export async function serveLinks(
  network: Network,
  address: string,
  handler: ServeHandler,
  settings: ServeSettings = serveDefaults,
): Promise<{ close(): Promise<void> }> {
  return network.listen(address, (channel) => new ServedLink(channel, handler, settings));
}

class ServedLink implements FrameHandler {
  readonly #channel: FrameChannel;
  readonly #handler: ServeHandler;
  readonly #settings: ServeSettings;
  #inFlight = 0;
  #paused = false;
  #closed = false;

  constructor(channel: FrameChannel, handler: ServeHandler, settings: ServeSettings) {
    this.#channel = channel;
    this.#handler = handler;
    this.#settings = settings;
  }

  frame(frame: Buffer): void {
    if (this.#closed) return;
    const call = this.#decode(frame);
    if (!call) return this.#channel.close();
    this.#inFlight++;
    this.#regulate();
    // Decoding pairs key and request; TypeScript cannot build a union of pairs from its two halves.
    this.#handler(call as Call);
  }

  /** Undefined for a frame that cannot be understood. */
  #decode(frame: Buffer): CallOf<ApiKey> | undefined {
    try {
      const { apiKey: key, apiVersion: version, correlationId, clientId, bodyAt } = decodeRequestHeader(frame);
      if (!isApiKey(key)) return undefined;
      const request = decodeRequest(key, version, frame, bodyAt);
      let isAnswered = false;
      const respond = (response: ResponseOf<ApiKey>, sent?: () => void): void => {
        if (isAnswered) return;
        isAnswered = true;
        this.#inFlight--;
        if (this.#closed) return;
        this.#channel.send(encodeResponse(key, version, correlationId, response), sent);
        this.#regulate();
      };
      return { key, version, clientId: clientId ?? '', request, frame, respond, isClosed: () => this.#closed };
    } catch (error) {
      if (error instanceof MalformedFrame || error instanceof UnsupportedVersion) return undefined;
      throw error;
    }
  }

  drained(): void {
    this.#regulate();
  }

  closed(): void {
    this.#closed = true;
  }

  #regulate(): void {
    const { inFlightMax, bufferedBytesMax } = this.#settings;
    const full = this.#inFlight >= inFlightMax || this.#channel.bufferedBytes() >= bufferedBytesMax;
    if (full === this.#paused) return;
    this.#paused = full;
    if (full) this.#channel.pause();
    else this.#channel.resume();
  }
}
