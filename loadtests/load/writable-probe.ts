/**
 * How long partitions take no writes, as the most impatient possible Kafka client sees it: each topic asks for its leaders
 * and writes one record to every partition that has not answered yet, over and over. The same probe for Headgate and for
 * Apache Kafka, so that no client's retry policy is part of the figure.
 */
import { systemClock } from '../../engine/kernel/clock.ts';
import type { FrameChannel } from '../../engine/ports.ts';
import { apiKey, type ApiKey, type RequestOf, type ResponseOf } from '../../engine/protocol/apis.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { decodeCorrelationId, decodeResponse, encodeRequest } from '../../engine/protocol/headers.ts';
import { make } from '../../engine/protocol/make.ts';
import { metadataRequest } from '../../engine/protocol/messages/03-metadata.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
import { socketNetwork } from '../../infra/network/socket-network.ts';

/** The last versions that name topics. */
const produceVersion = 9;
const metadataVersion = 9;
const retryMs = 10;
/** How long a broker may wait for its replicas before it answers. */
const produceTimeoutMs = 30_000;

export interface ProbeOptions {
  /** host:port; the probe learns more addresses. */
  readonly bootstrap: readonly string[];
  readonly credentials?: { readonly username: string; readonly password: string };
}

interface Pending {
  resolve(frame: Buffer): void;
  reject(error: Error): void;
}

/** One connection; every request has its own answer, in any order. */
class Connection {
  readonly #pending = new Map<number, Pending>();
  #channel: FrameChannel | undefined;
  #nextId = 1;
  isClosed = false;

  static async open(address: string, { credentials }: ProbeOptions): Promise<Connection> {
    const connection = new Connection();
    connection.#channel = await socketNetwork(systemClock).connect(address, {
      frame: (frame) => {
        const id = decodeCorrelationId(frame);
        connection.#pending.get(id)?.resolve(frame);
        connection.#pending.delete(id);
      },
      closed: () => {
        connection.isClosed = true;
        for (const pending of connection.#pending.values())
          pending.reject(new Error(`${address} closed the connection`));
        connection.#pending.clear();
      },
    });
    if (!credentials) return connection;
    const authBytes = Buffer.from(`\0${credentials.username}\0${credentials.password}`);
    await connection.ask(apiKey.saslHandshake, 1, { mechanism: 'PLAIN' });
    const { errorCode: code } = await connection.ask(apiKey.saslAuthenticate, 2, { authBytes });
    if (code !== errorCode.none) throw new Error(`login: error ${code}`);
    return connection;
  }

  async ask<K extends ApiKey>(key: K, version: number, request: RequestOf<K>): Promise<ResponseOf<K>> {
    if (this.isClosed) throw new Error('the connection is closed');
    const id = this.#nextId++;
    const frame = await new Promise<Buffer>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#channel!.send(encodeRequest(key, version, id, 'probe', request));
    });
    return decodeResponse(key, version, frame);
  }

  close(): void {
    this.#channel?.close();
  }
}

export class WritableProbe {
  readonly #options: ProbeOptions;
  readonly #connections = new Map<string, Promise<Connection>>();
  #addresses: readonly string[];

  constructor(options: ProbeOptions) {
    this.#options = options;
    this.#addresses = options.bootstrap;
  }

  async createTopic(name: string, numPartitions: number, replicationFactor: number): Promise<void> {
    const connection = await this.#connection(this.#addresses[0]!);
    const topics = [{ name, numPartitions, replicationFactor, assignments: [], configs: [] }];
    const answer = await connection.ask(apiKey.createTopics, 5, { topics, timeoutMs: 60_000, validateOnly: false });
    const { errorCode: code, errorMessage } = answer.topics[0]!;
    if (code !== errorCode.none) throw new Error(`create ${name}: ${code} ${errorMessage}`);
  }

  /** Milliseconds from `sinceMs` (performance.now) to the first answer for each partition. Throws after `waitMsMax`. */
  async untilWritable(topic: string, partitions: number, sinceMs: number, waitMsMax: number): Promise<number[]> {
    const tookMs = Array.from({ length: partitions }, () => Number.NaN);
    const asked = new Set<number>();
    while (tookMs.some(Number.isNaN)) {
      if (performance.now() - sinceMs > waitMsMax) throw new Error(`${topic} takes no writes after ${waitMsMax} ms`);
      // Dozens of topics that ask for their leaders a hundred times a second would themselves load the system under test.
      if (tookMs.every((ms, partition) => !Number.isNaN(ms) || asked.has(partition))) {
        await new Promise((resolve) => setTimeout(resolve, retryMs));
        continue;
      }
      const leaders = await this.#leaders(topic).catch(() => new Map<string, number[]>());
      for (const [address, led] of leaders) {
        // A leader that delays its answer (for its replicas) holds up only its own partitions.
        const due = led.filter((partition) => Number.isNaN(tookMs[partition]) && !asked.has(partition));
        if (due.length === 0) continue;
        for (const partition of due) asked.add(partition);
        void this.#write(topic, address, due, tookMs, sinceMs)
          .catch(() => undefined)
          .finally(() => {
            for (const partition of due) asked.delete(partition);
          });
      }
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
    return tookMs;
  }

  /** Resolves when every partition has all its replicas. */
  async untilReplicated(topics: readonly string[], replicas: number, waitMsMax: number): Promise<void> {
    const beginMs = performance.now();
    for (const topic of topics) {
      for (;;) {
        const answer = await this.#metadata(topic).catch(() => undefined);
        const partitions = answer?.topics[0]?.partitions ?? [];
        if (partitions.length > 0 && partitions.every(({ isrNodes }) => isrNodes.length === replicas)) break;
        if (performance.now() - beginMs > waitMsMax) throw new Error(`${topic} lacks replicas after ${waitMsMax} ms`);
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  }

  async close(): Promise<void> {
    for (const opening of this.#connections.values()) (await opening.catch(() => undefined))?.close();
  }

  async #write(
    topic: string,
    address: string,
    partitions: readonly number[],
    tookMs: number[],
    sinceMs: number,
  ): Promise<void> {
    const connection = await this.#connection(address);
    const records = encodeBatch([{ key: null, value: Buffer.from('probe'), timestampMs: Date.now() }]);
    const partitionData = partitions.map((index) => ({ index, records: Buffer.from(records) }));
    const answer = await connection.ask(apiKey.produce, produceVersion, {
      transactionalId: null,
      acks: -1,
      timeoutMs: produceTimeoutMs,
      topicData: [{ name: topic, topicId: '', partitionData }],
    });
    const nowMs = performance.now();
    for (const { index, errorCode: code } of answer.responses[0]!.partitionResponses) {
      if (code === errorCode.none) tookMs[index] = nowMs - sinceMs;
    }
  }

  /** Partitions by the address of their leader. */
  async #leaders(topic: string): Promise<Map<string, number[]>> {
    const answer = await this.#metadata(topic);
    const addresses = new Map(answer.brokers.map(({ nodeId, host, port }) => [nodeId, `${host}:${port}`]));
    this.#addresses = [...new Set([...this.#options.bootstrap, ...addresses.values()])];
    const leaders = new Map<string, number[]>();
    for (const { partitionIndex, leaderId } of answer.topics[0]?.partitions ?? []) {
      const address = addresses.get(leaderId);
      if (address === undefined) continue;
      const led = leaders.get(address);
      if (led) led.push(partitionIndex);
      else leaders.set(address, [partitionIndex]);
    }
    return leaders;
  }

  async #metadata(topic: string): Promise<ResponseOf<3>> {
    const request = make(metadataRequest, { topics: [{ topicId: '', name: topic }], allowAutoTopicCreation: false });
    let failure: unknown;
    for (const address of this.#addresses) {
      try {
        return await (await this.#connection(address)).ask(apiKey.metadata, metadataVersion, request);
      } catch (cause) {
        failure = cause;
      }
    }
    throw failure;
  }

  async #connection(address: string): Promise<Connection> {
    const known = this.#connections.get(address);
    if (known) {
      const connection = await known.catch(() => undefined);
      if (connection && !connection.isClosed) return connection;
    }
    if (this.#connections.get(address) === known)
      this.#connections.set(address, Connection.open(address, this.#options));
    return this.#connections.get(address)!;
  }
}
