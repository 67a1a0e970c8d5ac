/**
 * The Kafka load generator, a separate process: a fixed number of requests in flight on each connection, frames built
 * once. Cheaper than any client library, so that the server is the bottleneck. Driven over IPC like http-load.ts.
 */
import { connect, type Socket } from 'node:net';
import { LatencyHistogram } from '../compare/statistics.ts';
import { apiKey } from '../../engine/protocol/apis.ts';
import { decodeResponse } from '../../engine/protocol/headers.ts';
import { make } from '../../engine/protocol/make.ts';
import { fetchRequest } from '../../engine/protocol/messages/01-fetch.ts';
import { batchesIn, lastOffset } from '../../engine/records/batch.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
import { frameHeaderBytes as headerBytes, frameOf, loginFault, loginFrames } from './kafka-frames.ts';
import { fail, given, onRun } from './generator.ts';
import type { KafkaLoadSpec, LoadResult } from './load.ts';

const spec = await given<KafkaLoadSpec>();
/** The last versions that name topics. */
const produceVersion = 9;
const fetchVersion = 12;
const receiveBytes = 256 * 1024;

let isRunning = false;
let completed = 0;
let bytes = 0;
let firstRefusal = '';
let refused = 0;
let histogram = new LatencyHistogram();

/** Cuts frames out of the stream. A reply that fits in the receive buffer is read in place. */
class Connection {
  readonly socket: Socket;
  answer: (frame: Buffer) => void = () => undefined;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #wantedBytes = 0;

  constructor(ready: () => void) {
    const receive = Buffer.allocUnsafeSlow(receiveBytes);
    const onread = {
      buffer: receive,
      callback: (count: number) => {
        this.#received(receive.subarray(0, count));
        return true;
      },
    };
    this.socket = connect({ host: spec.host, port: spec.port, noDelay: true, onread }, ready);
    this.socket.on('error', (error) => fail(error.message));
    this.socket.on('close', () => {
      if (isRunning) fail('the server closed the connection');
    });
  }

  async login(): Promise<void> {
    if (spec.password === undefined) return;
    const [handshake, authenticate] = loginFrames(spec.username!, spec.password);
    await this.#ask(handshake);
    const fault = loginFault(await this.#ask(authenticate));
    if (fault !== undefined) fail(fault);
  }

  #ask(frame: Buffer): Promise<Buffer> {
    return new Promise((resolve) => {
      this.answer = (reply) => resolve(Buffer.from(reply));
      this.socket.write(frame);
    });
  }

  #received(piece: Buffer): void {
    let chunk = piece;
    if (this.#heldBytes > 0) {
      this.#held.push(Buffer.from(piece));
      this.#heldBytes += piece.length;
      if (this.#heldBytes < this.#wantedBytes) return;
      chunk = Buffer.concat(this.#held, this.#heldBytes);
      this.#held = [];
      this.#heldBytes = 0;
    }
    let at = 0;
    while (chunk.length - at >= headerBytes) {
      const end = at + headerBytes + chunk.readInt32BE(at);
      if (end > chunk.length) break;
      this.answer(chunk.subarray(at + headerBytes, end));
      at = end;
    }
    if (at === chunk.length) return;
    this.#held = [Buffer.from(chunk.subarray(at))];
    this.#heldBytes = chunk.length - at;
    this.#wantedBytes = this.#heldBytes >= headerBytes ? headerBytes + chunk.readInt32BE(at) : headerBytes;
  }
}

async function open(): Promise<Connection[]> {
  const connections = await Promise.all(
    Array.from({ length: spec.connections ?? 1 }, () => {
      return new Promise<Connection>((resolve) => {
        const connection: Connection = new Connection(() => resolve(connection));
      });
    }),
  );
  for (const connection of connections) await connection.login();
  return connections;
}

const batch = encodeBatch(
  Array.from({ length: spec.recordsPerBatch }, () => ({
    key: null,
    value: Buffer.alloc(1024, 'k'),
    timestampMs: Date.now(),
  })),
);
/** A slot's frame is always the same; its correlation id is the slot, so no frame in flight is written to. */
const produceFrames = Array.from({ length: spec.depth }, (_, slot) =>
  frameOf(apiKey.produce, produceVersion, slot, {
    transactionalId: null,
    acks: -1,
    timeoutMs: 30_000,
    topicData: [{ name: spec.topic, topicId: '', partitionData: [{ index: slot % spec.partitions, records: batch }] }],
  }),
);

function produced(frame: Buffer): number {
  if (spec.password === undefined) return batch.length;
  const result = decodeResponse(apiKey.produce, produceVersion, frame).responses[0]!.partitionResponses[0]!;
  if (result.errorCode !== 0) refuse(`produce: ${result.errorCode} ${result.errorMessage}`);
  return batch.length;
}

let offset = spec.fromOffset;

function fetchFrame(slot: number): Buffer {
  const request = make(fetchRequest, {
    maxWaitMs: 500,
    minBytes: 1,
    maxBytes: spec.fetchBytes,
    sessionEpoch: -1,
    topics: [
      { topic: spec.topic, partitions: [{ partition: 0, fetchOffset: offset, partitionMaxBytes: spec.fetchBytes }] },
    ],
  });
  return frameOf(apiKey.fetch, fetchVersion, slot, request);
}

/** Bytes of records. Continues after the last of them, and at the start again when the whole range has been read. */
function fetched(frame: Buffer): number {
  if (spec.password === undefined) return frame.length;
  const result = decodeResponse(apiKey.fetch, fetchVersion, frame).responses[0]!.partitions[0]!;
  if (result.errorCode !== 0) refuse(`fetch at ${offset}: ${result.errorCode}`);
  let count = 0;
  for (const run of result.records ?? []) {
    count += run.length;
    let last = -1;
    for (const at of batchesIn(run)) last = at;
    if (last >= 0) offset = lastOffset(run, last) + 1;
  }
  if (offset >= spec.toOffset) offset = spec.fromOffset;
  return count;
}

function refuse(reason: string): void {
  refused++;
  firstRefusal ||= reason;
}

async function run(seconds: number): Promise<LoadResult> {
  const connections = await open();
  completed = bytes = refused = 0;
  histogram = new LatencyHistogram();
  isRunning = true;
  const isProduce = spec.mode === 'produce';
  const beginMs = performance.now();
  const endMs = beginMs + seconds * 1e3;
  const drive = (connection: Connection): Promise<void> => {
    const sentAt = new Float64Array(spec.depth);
    let underWay = 0;
    return new Promise<void>((resolve) => {
      const send = (slot: number, now: number): void => {
        sentAt[slot] = now;
        underWay++;
        connection.socket.write(isProduce ? produceFrames[slot]! : fetchFrame(slot));
      };
      connection.answer = (frame) => {
        const slot = frame.readInt32BE(0);
        const now = performance.now();
        underWay--;
        bytes += isProduce ? produced(frame) : fetched(frame);
        completed++;
        histogram.record((now - sentAt[slot]!) * 1e3);
        if (now < endMs) send(slot, now);
        else if (underWay === 0) resolve();
      };
      for (let slot = 0; slot < spec.depth; slot++) send(slot, performance.now());
    });
  };
  await Promise.all(connections.map(drive));
  isRunning = false;
  for (const { socket } of connections) socket.destroy();
  return {
    completed,
    refused,
    firstRefusal,
    bytes,
    seconds: (performance.now() - beginMs) / 1e3,
    latency: histogram.summary(),
  };
}

onRun(run);
