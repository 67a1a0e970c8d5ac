/** WebSocket behaviour that both transports must share, driven from outside through a client. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { type MakeServer, signal } from './server.suite.ts';
import {
  type DataServer,
  type ServerDoors,
  type ServerSettings,
  type UpgradeAnswer,
  type WebSocketPeer,
  serverDefaults,
} from './server.ts';

const settings: ServerSettings = {
  ...serverDefaults,
  websocketPayloadBytesMax: 300_000,
  websocketBufferedBytesMax: 1024 * 1024,
};

export function websocketSuite(name: string, make: MakeServer): void {
  describe(`WebSockets over ${name}`, () => {
    let server: DataServer;
    let port = 0;
    let base = '';
    /** Set by a test before it connects. */
    let upgrade: NonNullable<ServerDoors['upgrade']>;
    let failures: unknown[] = [];

    beforeEach(async () => {
      failures = [];
      server = await make(settings, {
        routes: [],
        fallback: (exchange) => exchange.reply(404, []),
        upgrade: (request) => upgrade(request),
        failed: (error) => failures.push(error),
      });
      port = await server.listen('127.0.0.1', 0, { exclusive: true });
      base = `http://127.0.0.1:${port}`;
    });
    afterEach(() => server.closeAll());

    interface Seen {
      readonly peer: WebSocketPeer;
      readonly closed: Promise<[number, string]>;
    }
    /** Accepts with a session made of `handlers`; resolves when the server side is open. */
    function accepting(handlers: {
      message?: (data: Buffer, isBinary: boolean) => void;
      drained?: () => void;
      ponged?: () => void;
    }): Promise<Seen> {
      const opened = signal<Seen>();
      const closed = signal<[number, string]>();
      upgrade = () => ({
        accept: {
          opened: (peer) => opened.resolve({ peer, closed: closed.promise }),
          message: (data, isBinary) => handlers.message?.(data, isBinary),
          drained: () => handlers.drained?.(),
          ponged: () => handlers.ponged?.(),
          closed: (code, reason) => closed.resolve([code, reason]),
        },
      });
      return opened.promise;
    }
    const client = (protocols: string[] = []): WebSocket => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/ws?a=1`, protocols, { perMessageDeflate: false });
      socket.on('error', () => {});
      return socket;
    };
    const closing = (socket: WebSocket): Promise<[number, string]> =>
      new Promise((done) => socket.on('close', (code, reason) => done([code, reason.toString()])));

    test('the hook sees the request and refuses', async () => {
      upgrade = async (request) => {
        await new Promise((later) => setImmediate(later));
        const seen = [
          request.path,
          request.query().get('a'),
          request.protocols.join('+'),
          request.origin,
          request.remoteAddress(),
        ];
        return { refuse: 401, headers: [['www-authenticate', 'Bearer']], body: seen.join(' ') };
      };
      const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/ws?a=1`, ['gw.v1.json', 'bearer.x'], {
        origin: 'http://o',
      });
      const [status, header, body] = await new Promise<[number | undefined, string | undefined, string]>((done) =>
        socket.on('unexpected-response', (_request, response) => {
          let text = '';
          response.on('data', (data: Buffer) => (text += data.toString()));
          response.on('end', () => done([response.statusCode, response.headers['www-authenticate'], text]));
        }),
      );
      expect([status, header]).toEqual([401, 'Bearer']);
      expect(body).toBe('/v1/ws 1 gw.v1.json+bearer.x http://o 127.0.0.1');
    });

    test('a hook that throws refuses with 500', async () => {
      upgrade = () => {
        throw new Error('boom');
      };
      const socket = client();
      const status = await new Promise((done) =>
        socket.on('unexpected-response', (_request, response) => done(response.statusCode)),
      );
      expect(status).toBe(500);
      expect(failures).toHaveLength(1);
    });

    test('the chosen subprotocol is announced', async () => {
      const session = { opened: () => {}, message: () => {}, drained: () => {}, ponged: () => {}, closed: () => {} };
      upgrade = (request) => ({ accept: session, protocol: request.protocols[1] ?? '' });
      const socket = client(['gw.v1.json', 'gw.v1.bin']);
      await new Promise((done) => socket.on('open', done));
      expect(socket.protocol).toBe('gw.v1.bin');
      socket.terminate();
    });

    test('when a client is gone before a late accept, the session is told of the end', async () => {
      const asked = signal<void>();
      const answer = signal<UpgradeAnswer>();
      const closed = signal<number>();
      upgrade = () => {
        asked.resolve();
        return answer.promise;
      };
      const socket = client();
      await asked.promise;
      socket.terminate();
      // Once a later connection is served and a turn has passed, the server has seen that connection end.
      for (let i = 0; i < 5; i++) await fetch(`${base}/v1/topics`);
      const session = {
        opened: () => {},
        message: () => {},
        drained: () => {},
        ponged: () => {},
        closed: (code: number) => closed.resolve(code),
      };
      answer.resolve({ accept: session });
      expect(await closed.promise).toBe(1006);
    });

    test('text and binary echo, up to the payload limit', async () => {
      const seen = accepting({
        message: (data, isBinary) =>
          void seen.then(({ peer }) => peer.send(isBinary ? data : data.toString(), isBinary)),
      });
      const socket = client();
      const echoes: [number, boolean][] = [];
      const done = new Promise<void>((finish) =>
        socket.on('message', (data: Buffer, isBinary) => {
          echoes.push([data.length, isBinary]);
          if (echoes.length === 3) finish();
        }),
      );
      await new Promise((open) => socket.on('open', open));
      socket.send('héllo');
      socket.send(Buffer.alloc(0));
      socket.send(Buffer.alloc(settings.websocketPayloadBytesMax));
      await done;
      expect(echoes).toEqual([
        [6, false],
        [0, true],
        [settings.websocketPayloadBytesMax, true],
      ]);
      socket.terminate();
    });

    test('a message over the limit closes with 1009', async () => {
      const seen = accepting({});
      const socket = client();
      const end = closing(socket);
      await new Promise((open) => socket.on('open', open));
      socket.send(Buffer.alloc(settings.websocketPayloadBytesMax + 1));
      expect((await end)[0]).toBe(1009);
      expect((await (await seen).closed)[0]).toBe(1009);
    });

    test('2,000 frames reach a client that pauses, none lost, buffers bounded', async () => {
      const frames = 2000;
      let next = 0;
      let bufferedMost = 0;
      let peer: WebSocketPeer | undefined;
      const stopped = signal<void>();
      const pump = (): void =>
        peer?.cork(() => {
          while (peer && next < frames) {
            const payload = Buffer.alloc(16 * 1024);
            payload.writeUInt32BE(next++);
            const isFree = peer.send(payload, true) === 'sent';
            bufferedMost = Math.max(bufferedMost, peer.bufferedBytes());
            if (isFree) continue;
            stopped.resolve();
            return;
          }
        });
      const seen = accepting({ drained: pump });
      const socket = client();
      await new Promise((open) => socket.on('open', open));
      socket.pause();
      ({ peer } = await seen);
      pump();
      await stopped.promise;
      expect(next).toBeLessThan(frames);
      const got: number[] = [];
      await new Promise<void>((finish) => {
        socket.on('message', (data: Buffer) => {
          got.push(data.readUInt32BE());
          if (got.length === frames) finish();
        });
        socket.resume();
      });
      expect(got).toEqual(Array.from({ length: frames }, (_, i) => i));
      expect(bufferedMost).toBeLessThan(settings.websocketBufferedBytesMax);
      socket.terminate();
    });

    test('a writer that ignores back-pressure loses the connection, never single frames', async () => {
      const seen = accepting({});
      const socket = client();
      await new Promise((open) => socket.on('open', open));
      socket.pause();
      const { peer, closed } = await seen;
      const results: string[] = [];
      for (let i = 0; i < 500; i++) results.push(peer.send(Buffer.alloc(64 * 1024), true));
      const firstDrop = results.indexOf('dropped');
      expect(firstDrop).toBeGreaterThan(0);
      expect(new Set(results.slice(firstDrop))).toEqual(new Set(['dropped']));
      expect((await closed)[0]).toBe(1006);
      socket.terminate();
    });

    test('close codes and reasons reach both ends', async () => {
      const first = accepting({});
      const one = client();
      const oneEnd = closing(one);
      const { peer, closed } = await first;
      peer.close(4401, 'token expired');
      expect(await closed).toEqual([4401, 'token expired']);
      expect(await oneEnd).toEqual([4401, 'token expired']);
      expect(peer.send('x', false)).toBe('dropped');
      peer.close(1000, '');
      peer.cork(() => {});
      expect(peer.bufferedBytes()).toBe(0);

      const second = accepting({});
      const two = client();
      await new Promise((open) => two.on('open', open));
      two.close(4000, 'bye');
      expect(await (await second).closed).toEqual([4000, 'bye']);

      const third = accepting({});
      const three = client();
      await new Promise((open) => three.on('open', open));
      three.close();
      expect((await (await third).closed)[0]).toBe(1005);
    });

    test('an abrupt end on either side is reported as 1006', async () => {
      const first = accepting({});
      const one = client();
      await new Promise((open) => one.on('open', open));
      one.terminate();
      expect((await (await first).closed)[0]).toBe(1006);

      const second = accepting({});
      const two = client();
      const twoEnd = closing(two);
      await new Promise((open) => two.on('open', open));
      const { peer, closed } = await second;
      peer.terminate();
      expect((await closed)[0]).toBe(1006);
      expect((await twoEnd)[0]).toBe(1006);
    });

    test('a session that throws is closed with 1011', async () => {
      const seen = accepting({
        message: () => {
          throw new Error('boom');
        },
      });
      const socket = client();
      const end = closing(socket);
      await new Promise((open) => socket.on('open', open));
      socket.send('x');
      expect((await end)[0]).toBe(1011);
      expect((await (await seen).closed)[0]).toBe(1011);
      expect(failures).toHaveLength(1);
    });

    test('pings are answered on both sides', async () => {
      const ponged = signal<void>();
      const seen = accepting({ ponged: () => ponged.resolve() });
      const socket = client();
      await new Promise((open) => socket.on('open', open));
      (await seen).peer.ping();
      await ponged.promise;
      socket.ping();
      await new Promise((done) => socket.on('pong', done));
      socket.terminate();
    });
  });
}
