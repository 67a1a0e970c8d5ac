/** The memory that all requests share, tested over real sockets and on both transports alike. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import type { Append } from '../../engine/engine.ts';
import { type Bench, type BenchTenant, type Driver, httpBench } from './door-bench.suite.ts';

/** The share of one cluster: half of the total. */
const clusterBytesHeldMax = 300_000;
const waiting = { timeout: 20_000 };

/** A request whose body the test sends in parts. */
class SlowSender {
  readonly socket: Socket;
  #text = '';

  constructor(bench: Bench, tenant: BenchTenant, path: string, head: string) {
    this.socket = connect(bench.door.port, '127.0.0.1');
    this.socket.on('error', () => {});
    this.socket.on('data', (data: Buffer) => {
      this.#text += data.toString();
    });
    this.socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tenant.apiKey}\r\n${head}\r\n\r\n`);
  }

  get text(): string {
    return this.#text;
  }

  send(bytes: number): void {
    this.socket.write(Buffer.alloc(bytes, 'x'));
  }

  async answered(pattern: RegExp): Promise<void> {
    await expect.poll(() => this.#text, waiting).toMatch(pattern);
  }
}

export function bodyMemorySuite(driver: Driver): void {
  describe(`memory of all requests over ${driver}`, () => {
    let bench: Bench;
    let tenant: BenchTenant;
    const senders: SlowSender[] = [];
    const held = () => expect.poll(() => bench.door.requestBytesHeld, waiting);
    const sender = (path: string, head: string, of = tenant): SlowSender => {
      const made = new SlowSender(bench, of, path, head);
      senders.push(made);
      return made;
    };
    beforeAll(async () => {
      bench = await httpBench(driver, {}, { produceBytesMax: 200_000, requestBytesHeldMax: 2 * clusterBytesHeldMax });
      tenant = await bench.tenant('acme');
    });
    afterAll(async () => {
      for (const { socket } of senders) socket.destroy();
      await bench.close();
    });

    /** Appends wait until the returned function is called. */
    const holdAppends = (): (() => void) => {
      const append = bench.engine.append.bind(bench.engine);
      const heldBack: Append[] = [];
      bench.engine.append = (each) => void heldBack.push(each);
      return () => {
        // An answer may bring the next append of its partition at once, which comes behind those that are held back.
        for (const each of heldBack) append(each);
        bench.engine.append = append;
      };
    };

    test.each([
      ['with a length', 'Content-Length: 150000'],
      ['in chunks', 'Transfer-Encoding: chunked'],
    ])('a body %s that finds the memory taken is refused, and others end well', async (_, head) => {
      const isChunked = head.startsWith('Transfer');
      const part = (to: SlowSender, bytes: number): void => {
        if (isChunked) to.socket.write(`${bytes.toString(16)}\r\n`);
        to.send(bytes);
        if (isChunked) to.socket.write('\r\n');
      };
      const path = `/v1/topics/bodies-${isChunked ? 'chunked' : 'sized'}`;
      const [first, second, third] = [sender(path, head), sender(path, head), sender(path, head)];
      part(first, 140_000);
      part(second, 140_000);
      await held().toBe(280_000);
      part(third, 50_000);
      // The reply to a chunked request waits until its body ends or has had its time to end.
      if (isChunked) third.socket.write('0\r\n\r\n');
      await third.answered(/^HTTP\/1.1 503 [^]*retry-after: 1\r\n[^]*"code":"overloaded"/i);
      await held().toBe(280_000);
      // A small body needs no memory of its own, so it is served meanwhile.
      expect((await tenant.call('POST', path, { body: 'small' })).status).toBe(200);
      part(first, 10_000);
      if (isChunked) first.socket.write('0\r\n\r\n');
      await first.answered(/^HTTP\/1.1 200 /);
      await held().toBe(140_000);
      second.socket.destroy();
      await held().toBe(0);
    });

    test('a cluster that has used up its share leaves the others theirs, up to the total', async () => {
      const [other, third] = [await bench.tenant('other'), await bench.tenant('third')];
      const length = 'Content-Length: 150000';
      const path = '/v1/topics/shares';
      const full = [tenant, tenant, other, other].map((of) => sender(path, length, of));
      for (const one of full) one.send(149_000);
      await held().toBe(4 * 149_000);
      const more = sender(path, length);
      more.send(50_000);
      await more.answered(/^HTTP\/1.1 503 [^]*requests of this cluster would exceed the 300000 bytes/i);
      const late = sender(path, length, third);
      late.send(50_000);
      await late.answered(/^HTTP\/1.1 503 [^]*requests of all clients would exceed the 600000 bytes/i);
      full[0]!.send(1_000);
      await full[0]!.answered(/^HTTP\/1.1 200 /);
      const next = sender(path, length, third);
      next.send(150_000);
      await next.answered(/^HTTP\/1.1 200 /);
      for (const { socket } of full) socket.destroy();
      await held().toBe(0);
    });

    test('an NDJSON stream is held back, not refused', async () => {
      await tenant.call('POST', '/v1/topics', { json: { name: 'lines', partitions: 1 } });
      const release = holdAppends();
      const line = `${JSON.stringify({ value: 'x'.repeat(990) })}\n`;
      const body = line.repeat(1_000);
      const head = `Content-Type: application/x-ndjson\r\nContent-Length: ${body.length}`;
      const streams = [sender('/v1/topics/lines/records', head), sender('/v1/topics/lines/records', head)];
      for (const { socket } of streams) socket.write(body);
      await held().toBeGreaterThanOrEqual(clusterBytesHeldMax);
      // Each stream may exceed the share by one slice at most.
      expect(bench.door.requestBytesHeld).toBeLessThan(clusterBytesHeldMax + 2 * 8_192);
      release();
      for (const stream of streams) await stream.answered(/"records":1000,"failed":0/);
      await held().toBe(0);
    });

    test('lines that wait minutes for a quota are forgotten as soon as their client goes', async () => {
      const slow = await bench.tenant('slow', { ingressBytesPerSecondMax: 100 });
      await slow.call('POST', '/v1/topics', { json: { name: 'lines', partitions: 1 } });
      const line = `${JSON.stringify({ value: 'x'.repeat(50_000) })}\n`;
      const stream = sender(
        '/v1/topics/lines/records',
        'Content-Type: application/x-ndjson\r\nContent-Length: 999999',
        slow,
      );
      const appended = bench.engine.appended.length;
      const release = holdAppends();
      const bytes = line.length - 1;
      stream.socket.write(line);
      await held().toBe(bytes);
      stream.socket.write(line);
      await held().toBe(2 * bytes);
      stream.socket.destroy();
      await held().toBe(bytes);
      release();
      await held().toBe(0);
      expect(bench.engine.appended).toHaveLength(appended + 1);
    });

    test('WebSocket commands are refused by their number, and the socket stays open', async () => {
      await tenant.call('POST', '/v1/topics', { json: { name: 'commands', partitions: 1 } });
      const release = holdAppends();
      const socket = new WebSocket(`${bench.base.replace('http', 'ws')}/v1/ws`, ['headgate.v1.json'], {
        headers: { authorization: `Bearer ${tenant.apiKey}` },
      });
      const answers = new Map<unknown, Record<string, unknown>>();
      socket.on('message', (data: Buffer) => {
        const event = JSON.parse(data.toString()) as Record<string, unknown>;
        answers.set(event['id'], event);
      });
      await once(socket, 'open');
      const produce = (id: number): void =>
        socket.send(
          JSON.stringify({ op: 'produce', id, topic: 'commands', records: [{ value: 'x'.repeat(200_000) }] }),
        );
      produce(1);
      produce(2);
      await expect.poll(() => answers.get(2), waiting).toMatchObject({ event: 'error', error: { code: 'overloaded' } });
      release();
      await expect.poll(() => answers.get(1), waiting).toMatchObject({ event: 'ok', failed: 0 });
      await held().toBe(0);
      produce(3);
      await expect.poll(() => answers.get(3), waiting).toMatchObject({ event: 'ok', failed: 0 });
      socket.terminate();
    });
  });
}
