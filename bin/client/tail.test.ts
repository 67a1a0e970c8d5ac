import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { headgate, json } from '../cli-in-test.suite.ts';

let server: WebSocketServer;
let address: string;
let keys: (string | undefined)[];
/** What each connection in turn does with the subscription it is sent. */
let connections: ((socket: WebSocket, command: Record<string, unknown>) => void)[];

beforeEach(async () => {
  keys = [];
  server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  server.on('connection', (socket, request) => {
    keys.push(request.headers.authorization);
    expect(socket.protocol).toBe('headgate.v1.json');
    const act = connections.shift();
    socket.on('message', (data) => act?.(socket, JSON.parse(String(data)) as Record<string, unknown>));
  });
});

afterEach(() => {
  server.close();
});

function batch(socket: WebSocket, offset: number, values: unknown[], next: string): void {
  const records = values.map((value, i) => ({ partition: 0, offset: offset + i, timestamp: 0, key: null, value }));
  socket.send(JSON.stringify({ event: 'batch', sub: 1, partition: 0, base: offset, records, next }));
}

const tail = (words: string): ReturnType<typeof headgate> =>
  headgate(`tail orders ${words} --http ${address} --api-key hgk_1`, () => json({}, 500));

describe('tail', () => {
  it('keeps every digit with --json', async () => {
    const line = '{"partition":0,"offset":0,"timestamp":0,"key":null,"value":12345678901234567890}';
    connections = [
      (socket) => socket.send(`{"event":"batch","sub":1,"partition":0,"base":0,"records":[${line}],"next":"c1"}`),
    ];
    expect((await tail('--max 1 --json')).out).toBe(`${line}\n`);
  });

  it('does not wait for a server that was never there', async () => {
    server.close();
    await once(server, 'close');
    const { code, err } = await tail('');
    expect(code).toBe(3);
    expect(err).toMatch(/^headgate: cannot reach [^\n]*ECONNREFUSED[^\n]*\n$/);
  });

  it('continues from the last printed cursor after a connection has ended', async () => {
    const commands: Record<string, unknown>[] = [];
    connections = [
      (socket, command) => {
        commands.push(command);
        socket.send(JSON.stringify({ event: 'ok', id: 1, sub: 1, cursor: 'c0' }));
        batch(socket, 0, ['one', 'two'], 'c2');
        socket.send(JSON.stringify({ event: 'goaway', reconnect_after_ms: 1 }));
      },
      (socket, command) => {
        commands.push(command);
        socket.send(JSON.stringify({ event: 'gap', sub: 1, partition: 0, from: 2, earliest: 5, next: 'c5' }));
        const problem = { detail: 'it is damaged', code: 'records-unavailable', retryable: true };
        socket.send(JSON.stringify({ event: 'unavailable', sub: 1, partition: 1, problem }));
        socket.send(JSON.stringify({ event: 'available', sub: 1, partition: 1 }));
        batch(socket, 5, ['six', 'seven'], 'c7');
      },
    ];
    const { out, err, code } = await tail('--from earliest --max 3 --partition 0,1');
    expect(out).toBe('one\ntwo\nsix\n');
    expect(code).toBe(0);
    expect(commands[0]).toMatchObject({ op: 'subscribe', topic: 'orders', from: 'earliest', partitions: [0, 1] });
    expect(commands[1]).toMatchObject({ cursor: 'c2' });
    expect(commands[1]).not.toHaveProperty('from');
    expect(err).toContain('going away');
    expect(err).toContain('offsets 2 to 4 were deleted by retention');
    expect(err).toContain('partition 1: it is damaged');
    expect(err).toContain('partition 1 can be read again');
    expect(keys).toEqual(['Bearer hgk_1', 'Bearer hgk_1']);
  });

  it('does not skip records that arrive before its first batch when it follows the end', async () => {
    const commands: Record<string, unknown>[] = [];
    connections = [
      (socket, command) => {
        commands.push(command);
        socket.send(JSON.stringify({ event: 'ok', id: 1, sub: 1, cursor: 'end' }), () => socket.terminate());
      },
      (socket, command) => {
        commands.push(command);
        batch(socket, 9, [{ a: 1 }], 'c');
      },
    ];
    const { out } = await tail('--max 1 --json');
    expect(JSON.parse(out)).toMatchObject({ offset: 9, value: { a: 1 } });
    expect(commands[0]).toMatchObject({ from: 'latest' });
    expect(commands[1]).toMatchObject({ cursor: 'end' });
  });

  it('ends when a new connection cannot help', async () => {
    connections = [
      (socket) =>
        socket.send(
          JSON.stringify({
            event: 'error',
            id: 1,
            error: { code: 'not-found', detail: "topic 'orders' does not exist" },
          }),
        ),
      (socket) => socket.close(4401, 'API key revoked'),
    ];
    expect(await tail('')).toMatchObject({ code: 5, err: "headgate: topic 'orders' does not exist\n" });
    const revoked = await tail('');
    expect(revoked.code).toBe(4);
    expect(revoked.err).toContain('HEADGATE_API_KEY');
  });
});
