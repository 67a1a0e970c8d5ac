/** HTTP behaviour that both transports must share, driven from outside through raw sockets and fetch. */
import { type Socket, connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Failure } from '../../../engine/kernel/failure.ts';
import {
  type DataServer,
  type HttpExchange,
  type ReplyStream,
  type Route,
  type ServerDoors,
  type ServerSettings,
  serverDefaults,
} from './server.ts';

export type MakeServer = (settings: ServerSettings, doors: ServerDoors) => Promise<DataServer>;

const settings: ServerSettings = {
  ...serverDefaults,
  discardBytesMax: 256 * 1024,
};
const bodyLimitBytes = 100_000;

/** A promise that is resolved from outside. */
export function signal<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** A raw connection: what it has received so far, and a way to wait for more. */
class Raw {
  readonly socket: Socket;
  readonly closed = signal<void>();
  text = '';
  #wake: () => void = () => {};
  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('error', () => {});
    this.socket.on('data', (data) => {
      this.text += data.toString('latin1');
      this.#wake();
    });
    this.socket.on('close', () => {
      this.closed.resolve();
      this.#wake();
    });
  }
  async until(wanted: RegExp): Promise<string> {
    while (!wanted.test(this.text)) {
      if (this.socket.destroyed) throw new Error(`closed before ${String(wanted)}; got ${this.text}`);
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
    }
    return this.text;
  }
}

export function serverSuite(name: string, make: MakeServer): void {
  describe(`the transport over ${name}`, () => {
    let server: DataServer;
    let port = 0;
    let base = '';
    /** Set by a test before it speaks. */
    let handle: (exchange: HttpExchange) => void | Promise<void>;
    let failures: unknown[] = [];

    const echo = (exchange: HttpExchange): void =>
      exchange.readBody(
        bodyLimitBytes,
        (body) => exchange.reply(200, [['content-type', 'application/octet-stream']], body),
        () => exchange.reply(413, [], 'too large'),
      );

    beforeEach(async () => {
      failures = [];
      handle = echo;
      const routes: Route[] = [
        { method: 'POST', pattern: '/v1/topics/{topic}/records', handler: (exchange) => handle(exchange) },
        { method: 'GET', pattern: '/v1/topics/{topic}/records', handler: (exchange) => handle(exchange) },
        { method: 'GET', pattern: '/v1/topics', handler: (exchange) => exchange.reply(200, [], 'topics') },
        { method: 'OPTIONS', pattern: '*', handler: (exchange) => exchange.reply(204, [['allow', 'any']]) },
      ];
      server = await make(settings, {
        routes,
        fallback: (exchange) =>
          exchange.reply(exchange.allowedMethods.length > 0 ? 405 : 404, [], exchange.allowedMethods.join()),
        upgrade: () => ({ refuse: 404, headers: [] }),
        failed(error, exchange) {
          failures.push(error);
          if (error instanceof Failure) exchange?.reply(400, [], error.message);
        },
      });
      port = await server.listen('127.0.0.1', 0, { exclusive: true });
      base = `http://127.0.0.1:${port}`;
    });
    afterEach(() => server.closeAll());

    const records = (topic = 't'): string => `${base}/v1/topics/${topic}/records`;
    const post = (body: string, headers = ''): string =>
      `POST /v1/topics/t/records HTTP/1.1\r\nHost: x\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

    bodyCases();
    replyCases();
    headCases();

    function bodyCases(): void {
      test('bodies come back whole: empty, small, large, at the limit', async () => {
        for (const length of [0, 1, 1000, 70_000, bodyLimitBytes]) {
          const body = Buffer.alloc(length, 'ab');
          const response = await fetch(records(), { method: 'POST', body });
          expect(response.status).toBe(200);
          expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true);
        }
      });

      test('a chunked body is put together', async () => {
        const raw = new Raw(port);
        raw.socket.write(
          'POST /v1/topics/t/records HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
        );
        raw.socket.write('6\r\n world\r\n0\r\n\r\n');
        expect(await raw.until(/hello world/)).toMatch(/^HTTP\/1.1 200 OK\r\n/);
        raw.socket.destroy();
      });

      test('a body over the limit is refused and the connection stays usable', async () => {
        const raw = new Raw(port);
        raw.socket.write(post('x'.repeat(bodyLimitBytes + 1)));
        await raw.until(/HTTP\/1.1 413[^]*too large/);
        raw.socket.write(post('after'));
        await raw.until(/HTTP\/1.1 200[^]*after/);
        raw.socket.destroy();
      });

      test('a chunked body over the limit is refused and the connection stays usable', async () => {
        const raw = new Raw(port);
        const piece = `c350\r\n${'x'.repeat(50_000)}\r\n`;
        raw.socket.write('POST /v1/topics/t/records HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
        raw.socket.write(`${piece}${piece}${piece}0\r\n\r\n`);
        await raw.until(/HTTP\/1.1 413[^]*too large/);
        raw.socket.write(post('after'));
        await raw.until(/HTTP\/1.1 200[^]*after/);
        raw.socket.destroy();
      });

      test('an endless chunked body is cut', async () => {
        const raw = new Raw(port);
        const piece = `c350\r\n${'x'.repeat(50_000)}\r\n`;
        raw.socket.write('POST /v1/topics/t/records HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
        const write = (): void => {
          if (raw.socket.writable) raw.socket.write(piece, () => setImmediate(write));
        };
        write();
        await raw.closed.promise;
      });

      test('a body announced as huge is refused at once and the connection closes', async () => {
        const raw = new Raw(port);
        raw.socket.write('POST /v1/topics/t/records HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\nx');
        await raw.until(/HTTP\/1.1 413/);
        await raw.closed.promise;
      });

      test('a client that sends more than is discarded gets the refusal, and is disconnected if it keeps sending', async () => {
        for (const framing of ['Content-Length: 900000', 'Transfer-Encoding: chunked']) {
          const raw = new Raw(port);
          raw.socket.write(`POST /v1/topics/t/records HTTP/1.1\r\nHost: x\r\n${framing}\r\n\r\n`);
          const isChunked = framing.includes('chunked');
          const piece = 'x'.repeat(50_000);
          let written = 0;
          // The whole announced body or, with chunks, more than twice what the server discards.
          while (!raw.socket.destroyed && written < 850_000) {
            written += piece.length;
            const bytes = isChunked ? `c350\r\n${piece}\r\n` : piece;
            await new Promise((done) => raw.socket.write(bytes, done));
          }
          await raw.closed.promise;
          expect(raw.text, framing).toMatch(/^HTTP\/1.1 413 [^]*too large\s*$/);
        }
      });

      test('a complete body whose announced size exceeds what is discarded is refused without a reset', async () => {
        const raw = new Raw(port);
        let error: Error | undefined;
        raw.socket.on('error', (told) => (error = told));
        raw.socket.write(post('x'.repeat(settings.discardBytesMax + 100_000)));
        await raw.closed.promise;
        expect(raw.text).toMatch(/^HTTP\/1.1 413 [^]*too large\s*$/);
        expect(error).toBe(undefined);
      });

      test('a reply before the body is read leaves the connection usable', async () => {
        handle = (exchange) => exchange.reply(401, [], 'who');
        const raw = new Raw(port);
        raw.socket.write(post('x'.repeat(100_000)));
        await raw.until(/HTTP\/1.1 401[^]*who/);
        handle = echo;
        raw.socket.write(post('after'));
        await raw.until(/HTTP\/1.1 200[^]*after/);
        raw.socket.destroy();
      });

      test('a body that the handler asks for in a later turn is not lost, nor read ahead without limit', async () => {
        handle = async (exchange) => {
          await new Promise((later) => setImmediate(later));
          await new Promise((later) => setImmediate(later));
          echo(exchange);
        };
        for (const length of [0, 10, bodyLimitBytes]) {
          const body = Buffer.alloc(length, 'late');
          const response = await fetch(records(), { method: 'POST', body });
          expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true);
        }
      });

      test('a streamed body arrives piece by piece, with pause and resume', async () => {
        const got = signal<Buffer>();
        handle = (exchange) => {
          const pieces: Buffer[] = [];
          const flow = exchange.streamBody(
            (chunk) => {
              pieces.push(chunk);
              flow.pause();
              setImmediate(() => flow.resume());
            },
            () => {
              got.resolve(Buffer.concat(pieces));
              exchange.reply(204, []);
            },
          );
        };
        const body = Buffer.alloc(3_000_000, '0123456789');
        const response = await fetch(records(), { method: 'POST', body });
        expect(response.status).toBe(204);
        expect((await got.promise).equals(body)).toBe(true);
      });

      test('acknowledgements stream back while the body is still arriving', async () => {
        handle = (exchange) => {
          const stream = exchange.startStream(200, [['content-type', 'application/x-ndjson']]);
          exchange.streamBody(
            (chunk) => stream.write(`ack ${chunk.length}\n`),
            () => stream.end(),
          );
        };
        const raw = new Raw(port);
        raw.socket.write(
          'POST /v1/topics/t/records HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n',
        );
        await raw.until(/ack 3/);
        raw.socket.write('5\r\nthree\r\n0\r\n\r\n');
        await raw.until(/ack 5\n\r\n0\r\n\r\n/);
        raw.socket.write(post('x'));
        await raw.until(/ack 1/);
        raw.socket.destroy();
      });

      test('a client that dies in the middle of its body aborts the exchange, and no callback follows', async () => {
        const aborted = signal<void>();
        let bodies = 0;
        handle = (exchange) => {
          exchange.onAborted(() => aborted.resolve());
          exchange.readBody(
            bodyLimitBytes,
            () => bodies++,
            () => bodies++,
          );
          started.resolve();
        };
        const started = signal<void>();
        const raw = new Raw(port);
        raw.socket.write('POST /v1/topics/t/records HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\npart');
        await started.promise;
        raw.socket.resetAndDestroy();
        await aborted.promise;
        expect(bodies).toBe(0);
      });
    }

    function replyCases(): void {
      test('consecutive replies have their own status and headers, even from reused header lists', async () => {
        const lists = [
          [['x-list', 'one']],
          [
            ['x-list', 'two'],
            ['x-more', 'more'],
          ],
          [],
        ] as const;
        handle = (exchange) => {
          const at = Number(exchange.header('x-at'));
          const status = at % 2 === 0 ? 200 : 201;
          exchange.reply(status, lists[at % 3]!, `${at}`);
        };
        for (const at of [0, 0, 1, 2, 3, 6, 4, 5, 0]) {
          const answer = await fetch(records(), { headers: { 'x-at': `${at}` } });
          expect([answer.status, await answer.text()]).toEqual([at % 2 === 0 ? 200 : 201, `${at}`]);
          expect([answer.headers.get('x-list'), answer.headers.get('x-more')]).toEqual([
            ['one', 'two', null][at % 3],
            at % 3 === 1 ? 'more' : null,
          ]);
        }
      });

      test('the GET handler answers HEAD, with the length and without the body', async () => {
        const raw = new Raw(port);
        raw.socket.write('HEAD /v1/topics HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/topics HTTP/1.1\r\nHost: x\r\n\r\n');
        const text = await raw.until(/\r\n\r\ntopics$/);
        expect(text.match(/content-length: 6/gi)).toHaveLength(2);
        expect(text.match(/topics/g)).toHaveLength(1);
        raw.socket.destroy();
      });

      test('204 carries neither body nor length', async () => {
        const raw = new Raw(port);
        raw.socket.write('OPTIONS /anything HTTP/1.1\r\nHost: x\r\n\r\n');
        const text = await raw.until(/\r\n\r\n/);
        expect(text).toMatch(/^HTTP\/1.1 204 No Content\r\n/);
        expect(text).toMatch(/allow: any/);
        expect(text).not.toMatch(/content-length/i);
        raw.socket.write('GET /v1/topics HTTP/1.1\r\nHost: x\r\n\r\n');
        await raw.until(/topics$/);
        raw.socket.destroy();
      });

      test('pipelined requests are answered in order', async () => {
        const raw = new Raw(port);
        raw.socket.write(post('one') + post('two') + post('three'));
        expect(await raw.until(/one[^]*two[^]*three/)).toMatch(/^HTTP/);
        raw.socket.destroy();
      });

      test('one connection serves many replies that are sent in later turns', async () => {
        handle = (exchange) => {
          setImmediate(() => exchange.reply(200, [], exchange.param('topic')));
        };
        const raw = new Raw(port);
        for (let i = 0; i < 20; i++) {
          raw.socket.write(`GET /v1/topics/topic${i}./records HTTP/1.1\r\nHost: x\r\n\r\n`);
          await raw.until(new RegExp(`topic${i}\\.$`));
        }
        raw.socket.destroy();
      });

      test('a later reply that ignores the body leaves the connection usable for the next request', async () => {
        handle = (exchange) => {
          setImmediate(() => setImmediate(() => exchange.reply(404, [], `no ${exchange.param('topic')}.`)));
        };
        const raw = new Raw(port);
        for (let i = 0; i < 5; i++) {
          raw.socket.write(`POST /v1/topics/t${i}/records HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody`);
          await raw.until(new RegExp(`no t${i}\\.$`));
        }
        raw.socket.destroy();
      });

      test('when a client leaves while the handler works, the handler is told once and its replies are dropped', async () => {
        const aborted = signal<HttpExchange>();
        const started = signal<void>();
        let count = 0;
        handle = (exchange) => {
          exchange.onAborted(() => {
            count++;
            aborted.resolve(exchange);
          });
          started.resolve();
        };
        const raw = new Raw(port);
        raw.socket.write('GET /v1/topics/t/records HTTP/1.1\r\nHost: x\r\n\r\n');
        await started.promise;
        raw.socket.destroy();
        const exchange = await aborted.promise;
        exchange.reply(200, [], 'nobody');
        const stream = exchange.startStream(200, []);
        expect(stream.write('x')).toBe(false);
        stream.end();
        exchange.readBody(
          1,
          () => {},
          () => {},
        );
        expect(exchange.aborted).toBe(true);
        expect(count).toBe(1);
        expect((await fetch(`${base}/v1/topics`)).status).toBe(200);
      });

      test('a throw, a rejection and a throw in a body callback become 500 problems', async () => {
        const boom = new Error('boom');
        const throwers: (typeof handle)[] = [
          () => {
            throw boom;
          },
          () => Promise.reject(boom),
          (exchange) =>
            exchange.readBody(
              10,
              () => {
                throw boom;
              },
              () => {},
            ),
          (exchange) => exchange.reply(200, [['x-bad', 'a\r\nset-cookie: b']], 'x'),
        ];
        for (const [index, thrower] of throwers.entries()) {
          handle = thrower;
          const response = await fetch(records(), { method: 'POST', body: 'x' });
          expect(response.status, `case ${index}`).toBe(500);
          expect(response.headers.get('content-type')).toBe('application/problem+json');
          expect(await response.json()).toMatchObject({ status: 500 });
        }
        expect(failures).toHaveLength(throwers.length);
      });

      test('a slow reader holds the stream back, and gets all of it', async () => {
        const chunk = Buffer.alloc(64 * 1024, 'z');
        const total = 40 * 1024 * 1024;
        const full = signal<void>();
        let written = 0;
        let stream: ReplyStream | undefined;
        const fill = (): void => {
          while (written < total) {
            written += chunk.length;
            if (!stream?.write(chunk)) {
              full.resolve();
              return;
            }
          }
          stream?.end();
        };
        handle = (exchange) => {
          stream = exchange.startStream(200, []);
          stream.onDrain(fill);
          fill();
        };
        const socket = connect(port, '127.0.0.1');
        socket.pause();
        socket.write('GET /v1/topics/t/records HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
        await full.promise;
        expect(written).toBeLessThan(total);
        let received = 0;
        let tail = '';
        await new Promise<void>((done) => {
          socket.on('data', (data) => {
            received += data.length;
            tail = (tail + data.toString('latin1')).slice(-7);
            if (tail.endsWith('\r\n0\r\n\r\n')) done();
          });
          socket.resume();
        });
        expect(received).toBeGreaterThan(total);
        socket.destroy();
      });

      test('what a slow client has not taken arrives, though nothing is written after it', async () => {
        // One record may be larger than what a writer may add (streamBufferedBytesMax).
        const total = 40 * 1024 * 1024;
        const wasFree = signal<boolean>();
        handle = (exchange) => wasFree.resolve(exchange.startStream(200, []).write(Buffer.alloc(total)));
        const socket = connect(port, '127.0.0.1');
        socket.pause();
        socket.write('GET /v1/topics/t/records HTTP/1.1\r\nHost: x\r\n\r\n');
        expect(await wasFree.promise).toBe(false);
        let received = 0;
        await new Promise<void>((done) => {
          socket.on('data', (data) => {
            received += data.length;
            if (received > total) done();
          });
          socket.resume();
        });
        socket.destroy();
      });

      test('large pieces for a slow client are not held one upon the other', async () => {
        const piece = Buffer.alloc(6 * 1024 * 1024);
        const total = 20 * piece.length;
        let written = 0;
        handle = (exchange) => {
          const stream = exchange.startStream(200, []);
          const fill = (): void => {
            while (written < total) {
              written += piece.length;
              if (!stream.write(piece)) return;
            }
          };
          stream.onDrain(fill);
          fill();
        };
        const socket = connect(port, '127.0.0.1');
        socket.write('GET /v1/topics/t/records HTTP/1.1\r\nHost: x\r\n\r\n');
        let received = 0;
        let heldMost = 0;
        for await (const data of socket as AsyncIterable<Buffer>) {
          received += data.length;
          heldMost = Math.max(heldMost, written - received);
          if (received > total) break;
        }
        // One piece, and what the buffers of both sockets hold.
        expect(heldMost).toBeLessThan(4 * piece.length);
      });

      test('a writer that ignores back-pressure is cut off', async () => {
        const aborted = signal<void>();
        handle = (exchange) => {
          exchange.onAborted(() => aborted.resolve());
          const stream = exchange.startStream(200, []);
          for (let i = 0; i < 500 && !exchange.aborted; i++) stream.write(Buffer.alloc(256 * 1024));
        };
        const socket = connect(port, '127.0.0.1');
        socket.on('error', () => {});
        socket.pause();
        socket.write('GET /v1/topics/t/records HTTP/1.1\r\nHost: x\r\n\r\n');
        await aborted.promise;
        socket.destroy();
      });

      test('after close, open exchanges finish and no new connection is accepted', async () => {
        const held = signal<HttpExchange>();
        handle = (exchange) => held.resolve(exchange);
        const raw = new Raw(port);
        raw.socket.write('GET /v1/topics/t/records HTTP/1.1\r\nHost: x\r\n\r\n');
        const exchange = await held.promise;
        server.close();
        const late = new Raw(port);
        await late.closed.promise;
        exchange.reply(200, [], 'last');
        await raw.until(/last/);
        await raw.closed.promise;
      });
    }

    function headCases(): void {
      test('unknown paths and methods reach the fallback', async () => {
        expect((await fetch(`${base}/nope`)).status).toBe(404);
        const wrong = await fetch(records(), { method: 'DELETE' });
        expect([wrong.status, await wrong.text()]).toEqual([405, 'GET,HEAD,POST']);
      });

      test('parameters, query, headers and address outlive the handler', async () => {
        handle = async (exchange) => {
          await new Promise((later) => setImmediate(later));
          const seen: string[] = [];
          exchange.eachHeader((name) => seen.push(name));
          const query = exchange.query();
          const facts = {
            method: exchange.method,
            path: exchange.path,
            topic: exchange.param('topic'),
            wait: query.get('wait'),
            bad: query.get('bad'),
            first: exchange.header('x-twice'),
            absent: exchange.header('x-none') ?? null,
            count: seen.filter((name) => name === 'x-twice').length,
            address: exchange.remoteAddress(),
          };
          exchange.reply(200, [], JSON.stringify(facts));
        };
        const raw = new Raw(port);
        raw.socket.write(
          'GET /v1/topics/a%2Fb%20%C3%A9/records?wait=30&bad=%zz HTTP/1.1\r\nHost: x\r\nX-Twice: 1\r\nX-Twice: 2\r\n\r\n',
        );
        const text = await raw.until(/\}$/);
        expect(JSON.parse(Buffer.from(text.slice(text.indexOf('{')), 'latin1').toString())).toEqual({
          method: 'GET',
          path: '/v1/topics/a%2Fb%20%C3%A9/records',
          topic: 'a/b é',
          wait: '30',
          bad: '%zz',
          first: '1',
          absent: null,
          count: 2,
          address: '127.0.0.1',
        });
        raw.socket.destroy();
      });

      test('malformed percent-encoding is a failure of that parameter', async () => {
        handle = (exchange) => exchange.reply(200, [], exchange.param('topic'));
        const response = await fetch(records('%ff'));
        expect([response.status, await response.text()]).toEqual([400, 'malformed percent-encoding in %ff']);
      });

      test('20 KiB of headers pass, a flood is refused with 431', async () => {
        const fine = await fetch(`${base}/v1/topics`, { headers: { authorization: 'b'.repeat(20_000) } });
        expect(fine.status).toBe(200);
        const raw = new Raw(port);
        raw.socket.write(`GET /v1/topics HTTP/1.1\r\nHost: x\r\nX-Long: ${'y'.repeat(70_000)}\r\n\r\n`);
        await raw.until(/^HTTP\/1.1 431/);
        await raw.closed.promise;
      });

      test('an upgrade to something else is an ordinary request, body included', async () => {
        const raw = new Raw(port);
        raw.socket.write(
          post('h2c body', 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n'),
        );
        await raw.until(/HTTP\/1.1 200[^]*h2c body/);
        raw.socket.destroy();
      });

      test('listening on an address in use fails', async () => {
        const second = await make(settings, { routes: [], fallback: (exchange) => exchange.reply(404, []) });
        const listening = second.listen('127.0.0.1', port, { exclusive: true });
        await expect(listening).rejects.toMatchObject({ code: 'EADDRINUSE', address: '127.0.0.1', port });
        const abroad = second.listen('192.0.2.1', 0, { exclusive: true });
        await expect(abroad).rejects.toMatchObject({ code: 'EADDRNOTAVAIL', address: '192.0.2.1' });
      });
    }
  });
}
