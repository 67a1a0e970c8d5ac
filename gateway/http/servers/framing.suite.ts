/** Requests whose end a proxy in front may place elsewhere: both transports refuse them and close the connection. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Failure } from '../../../engine/kernel/failure.ts';
import type { MakeServer } from './server.suite.ts';
import { type DataServer, serverDefaults } from './server.ts';

const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';

export function framingSuite(name: string, make: MakeServer): void {
  describe(`where a request ends over ${name}`, () => {
    let server: DataServer;
    let port = 0;
    let served: string[] = [];

    beforeEach(async () => {
      served = [];
      server = await make(serverDefaults, {
        routes: [],
        fallback(exchange) {
          served.push(exchange.path);
          exchange.readBody(
            1_000,
            (body) => exchange.reply(200, [], body),
            () => exchange.reply(413, []),
          );
        },
        failed: (error, exchange) => {
          if (error instanceof Failure) exchange?.reply(400, [], error.message);
        },
      });
      port = await server.listen('127.0.0.1', 0, { exclusive: true });
    });
    afterEach(() => server.closeAll());

    /** Everything received until the server closes the connection. */
    async function answerTo(request: string): Promise<string> {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined);
      let text = '';
      socket.on('data', (data) => (text += String(data)));
      socket.write(request);
      await once(socket, 'close');
      return text;
    }

    test.each([
      ['two lengths', 'Content-Length: 3\r\nContent-Length: 4\r\n', 'abc'],
      ['the same length twice', 'Content-Length: 3\r\nContent-Length: 3\r\n', 'abc'],
      ['no number', 'Content-Length: \r\n', 'abc'],
      ['a length beside chunks', 'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n', '3\r\nabc\r\n0\r\n\r\n'],
      ['chunks twice', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '3\r\nabc\r\n0\r\n\r\n'],
      ['nearly chunked', 'Transfer-Encoding: xchunked\r\n', '3\r\nabc\r\n0\r\n\r\n'],
      ['a coding that nobody takes off', 'Transfer-Encoding: gzip, chunked\r\n', '3\r\nabc\r\n0\r\n\r\n'],
      ['two hosts', 'Host: y\r\nContent-Length: 3\r\n', 'abc'],
    ])('%s', async (_name, headers, body) => {
      const request = `POST /first HTTP/1.1\r\nHost: x\r\n${headers}\r\n${body}`;
      expect(await answerTo(request)).toMatch(/^HTTP\/1.1 400 /);
      // uWebSockets.js may close such a connection without an answer.
      expect((await answerTo(request + smuggled)).match(/HTTP\/1\.1/g)?.length ?? 1).toBe(1);
      expect(served).toEqual([]);
    });

    test('Transfer-Encoding: chunked in any case, and a single Content-Length, are accepted', async () => {
      for (const framing of [
        'Transfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
        'Content-Length: 3\r\n\r\nabc',
      ]) {
        const request = `POST /first HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${framing}`;
        expect(await answerTo(request)).toMatch(/^HTTP\/1.1 200 [^]*abc$/);
      }
    });

    test('a request arrives in two pieces, wherever it is cut', async () => {
      const line = 'GET /pieces HTTP/1.1\r\n';
      const request = `${line}Host: x\r\nConnection: close\r\n\r\n`;
      // What uWebSockets.js has built for Node 20 takes half a request line for one of HTTP/1.0; its later builds do not.
      const firstCut = name === 'uWebSockets.js' && process.versions.modules === '115' ? line.length : 1;
      for (let cut = firstCut; cut < request.length; cut++) {
        const socket = connect(port, '127.0.0.1').on('error', () => undefined);
        let text = '';
        socket.on('data', (data) => (text += String(data)));
        const closed = once(socket, 'close');
        await new Promise<void>((resolve) => socket.write(request.slice(0, cut), () => resolve()));
        // The first piece has been read when a later request has its answer.
        expect(await answerTo(request)).toMatch(/^HTTP\/1.1 200 /);
        socket.write(request.slice(cut));
        await closed;
        expect(text, `cut after ${cut} bytes`).toMatch(/^HTTP\/1.1 200 /);
      }
    });

    test('the request line counts towards the size of the head', async () => {
      const answer = await answerTo(`GET /?${'a'.repeat(serverDefaults.headerBytesMax)} HTTP/1.1\r\nHost: x\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1.1 431 [^]*"code":"head-too-large"/);
      expect(served).toEqual([]);
    });
  });
}
