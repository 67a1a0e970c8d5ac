/** A connection to one side that speaks frames, one request after the other, and says how waiting for an answer ended. */
import type { ApiKey, RequestOf, ResponseOf } from '../../engine/protocol/apis.ts';
import { decodeResponse, encodeRequest } from '../../engine/protocol/headers.ts';
import type { Access } from '../clients/targets.ts';
import { Wire } from '../fuzz/wire.ts';

export const answerMsMax = 15_000;

export type Raw<K extends ApiKey = ApiKey> =
  | { readonly kind: 'answer'; readonly body: ResponseOf<K> }
  | { readonly kind: 'closed' }
  | { readonly kind: 'silent' };

export class Connection {
  readonly #wire: Wire;
  #correlationId = 1;

  private constructor(wire: Wire) {
    this.#wire = wire;
  }

  /** Authenticated. */
  static async open({ bootstrap, username, password }: Access): Promise<Connection> {
    const [host, port] = bootstrap.split(':');
    const connection = new Connection(await Wire.open({ host: host!, port: Number(port), tls: false }));
    await connection.ask(17, 1, { mechanism: 'PLAIN' });
    const login = await connection.ask(36, 2, { authBytes: Buffer.from(`\0${username}\0${password}`) });
    if (login.kind !== 'answer' || login.body.errorCode !== 0) throw new Error('login is refused');
    return connection;
  }

  get isClosed(): boolean {
    return this.#wire.isClosed;
  }

  send<K extends ApiKey>(key: K, version: number, request: RequestOf<K>, claimed = version): void {
    const frame = Buffer.concat(encodeRequest(key, version, ++this.#correlationId, 'differential', request));
    // A version that does not exist cannot be encoded, so the bytes are those of an existing one.
    frame.writeInt16BE(claimed, 2);
    const prefix = Buffer.alloc(4);
    prefix.writeInt32BE(frame.length);
    this.#wire.write(Buffer.concat([prefix, frame]));
  }

  async receive<K extends ApiKey>(key: K, version: number, msMax = answerMsMax): Promise<Raw<K>> {
    const isWhole = (bytes: Buffer): boolean => bytes.length >= 4 && bytes.length >= 4 + bytes.readInt32BE(0);
    const ending = await this.#wire.until(isWhole, msMax);
    if (ending !== 'met') {
      this.end();
      return { kind: ending };
    }
    const { received } = this.#wire;
    const end = 4 + received.readInt32BE(0);
    const frame = Buffer.from(received.subarray(4, end));
    this.#wire.consume(end);
    if (frame.readInt32BE(0) !== this.#correlationId) throw new Error('the answer is to another request');
    return { kind: 'answer', body: decodeResponse(key, version, frame) };
  }

  ask<K extends ApiKey>(key: K, version: number, request: RequestOf<K>): Promise<Raw<K>> {
    this.send(key, version, request);
    return this.receive(key, version);
  }

  end(): void {
    this.#wire.cut();
  }
}
