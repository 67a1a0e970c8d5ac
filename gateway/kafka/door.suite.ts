/** A Kafka door over the memory engine with two tenants, with shorthands to talk to it: kafkajs, and raw frames. */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Kafka, logLevel } from 'kafkajs';
import { systemClock } from '../../engine/kernel/clock.ts';
import { systemRandom } from '../../engine/kernel/random.ts';
import type { ApiKey, RequestOf, ResponseOf } from '../../engine/protocol/apis.ts';
import { decodeResponse, encodeRequest } from '../../engine/protocol/headers.ts';
import type { ClusterLimits, Tenancy } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import type { GatewaySettings } from '../settings.ts';
import { type KafkaDoor, type KafkaDoorOptions, startKafkaDoor } from './listener.ts';
import type { KafkaDoorSettings } from './settings.ts';
import type { MemoryEngine } from './testing/memory-engine.ts';
import { gatewayInTest } from '../gateway-in-test.suite.ts';

export interface Tenant {
  readonly clusterId: string;
  readonly keyId: string;
  readonly apiKey: string;
}

export interface DoorBench {
  readonly door: KafkaDoor;
  readonly engine: MemoryEngine;
  readonly tenancy: Tenancy;
  readonly context: GatewayContext;
  readonly logged: { readonly event: string; readonly fields: Readonly<Record<string, unknown>> }[];
  tenant(name: string, limits?: Partial<ClusterLimits>): Promise<Tenant>;
  kafka(tenant: Tenant): Kafka;
  /** A raw connection to the door's port or another one; if a tenant is given, it is authenticated. */
  client(tenant?: Tenant, port?: number): Promise<RawClient>;
  close(): Promise<void>;
}

interface BenchOptions {
  readonly brokerPorts?: readonly number[];
  readonly openFilesMax?: number;
  readonly tls?: KafkaDoorOptions['tls'];
}

export async function doorBench(
  settings: Partial<KafkaDoorSettings> = {},
  gateway: Partial<GatewaySettings> = {},
  { brokerPorts = [], openFilesMax = 20_000, tls }: BenchOptions = {},
): Promise<DoorBench> {
  const { engine, tenancy, context, logged } = await gatewayInTest(
    { clock: systemClock, random: systemRandom },
    { advertisedPort: 0, ...gateway },
    openFilesMax,
  );
  const listen = { context, host: '127.0.0.1', port: 0, brokerPorts, settings };
  const door = await startKafkaDoor(tls ? { ...listen, tls } : listen);
  const clients: RawClient[] = [];
  return {
    door,
    engine,
    tenancy,
    context,
    logged,
    async tenant(name, limits = {}) {
      const { tenantId } = await tenancy.createTenant(name);
      const cluster = await tenancy.createCluster({ tenantId, name, autoCreateTopics: true, limits });
      const { keyId, apiKey } = await tenancy.issueKey(cluster.clusterId, 'test');
      return { clusterId: cluster.clusterId, keyId, apiKey };
    },
    kafka: ({ keyId, apiKey }) =>
      new Kafka({
        brokers: [`127.0.0.1:${door.port}`],
        sasl: { mechanism: 'plain', username: keyId, password: apiKey },
        logLevel: logLevel.NOTHING,
        retry: { retries: 2, initialRetryTime: 50 },
      }),
    async client(tenant, port = door.port) {
      const client = await RawClient.connect(port, tls !== undefined);
      clients.push(client);
      if (tenant) await client.login(tenant);
      return client;
    },
    async close() {
      for (const client of clients) client.end();
      await door.close(0);
      await tenancy.close();
    },
  };
}

/** A client of raw frames: it sends exactly what a test says, and returns frames in order of arrival. */
export class RawClient {
  readonly frames: Buffer[] = [];
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #waiting: ((frame: Buffer | undefined) => void)[] = [];
  #isClosed = false;
  #correlationId = 1;

  static connect(port: number, tls = false): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = tls
        ? connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
        : connect({ host: '127.0.0.1', port });
      socket.once('error', reject);
      socket.once(tls ? 'secureConnect' : 'connect', () => resolve(new RawClient(socket)));
    });
  }

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#isClosed = true;
        for (const wait of this.#waiting.splice(0)) wait(undefined);
        resolve();
      });
    });
  }

  #take(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    while (this.#received.length >= 4 && this.#received.length >= 4 + this.#received.readInt32BE(0)) {
      const end = 4 + this.#received.readInt32BE(0);
      const frame = this.#received.subarray(4, end);
      this.#received = this.#received.subarray(end);
      const wait = this.#waiting.shift();
      if (wait) wait(frame);
      else this.frames.push(frame);
    }
  }

  /** The next frame, or undefined when the connection ends first. */
  next(): Promise<Buffer | undefined> {
    const frame = this.frames.shift();
    if (frame || this.#isClosed) return Promise.resolve(frame);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Stops reading. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Returns the correlation id. */
  send<K extends ApiKey>(key: K, version: number, request: RequestOf<K>): number {
    const correlationId = this.#correlationId++;
    const frame = Buffer.concat(encodeRequest(key, version, correlationId, 'raw', request));
    const prefix = Buffer.alloc(4);
    prefix.writeInt32BE(frame.length);
    this.write(Buffer.concat([prefix, frame]));
    return correlationId;
  }

  async ask<K extends ApiKey>(key: K, version: number, request: RequestOf<K>): Promise<ResponseOf<K>> {
    const correlationId = this.send(key, version, request);
    const frame = await this.next();
    if (!frame) throw new Error(`the connection ended before the answer to API ${key}`);
    if (frame.readInt32BE(0) !== correlationId) throw new Error('the answer is to another request');
    return decodeResponse(key, version, frame);
  }

  async login({ keyId, apiKey }: { readonly keyId: string; readonly apiKey: string }): Promise<ResponseOf<36>> {
    await this.ask(17, 1, { mechanism: 'PLAIN' });
    return this.ask(36, 2, { authBytes: Buffer.from(`\0${keyId}\0${apiKey}`) });
  }

  end(): void {
    this.#socket.destroy();
  }
}
