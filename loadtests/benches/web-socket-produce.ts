/**
 * Produce over WebSockets, one record of 1 KiB per command, 64 sockets with eight unanswered commands each, against a
 * uWebSockets.js handler that only answers.
 */
import { encodeBatch } from '../../engine/records/encode.ts';
import type { Bench } from '../compare/bench.ts';
import { startLoad, type WebSocketLoadSpec } from '../load/load.ts';
import { startHeadgate, startServer } from '../servers/serve.ts';

const value = 'x'.repeat(1024);
const topic = 'bench';
const command = Buffer.from(JSON.stringify({ op: 'produce', id: 1, topic, records: [{ value }] }));
const batch = encodeBatch([{ key: null, value: Buffer.from(value), timestampMs: Date.now() }]);
/** Type, id, partition, length of the topic's name, topic, batch (docs/websocket.md). */
const frame = Buffer.concat([Buffer.from([2, 1, 0, topic.length]), Buffer.from(topic), batch]);

export const webSocketProduce: Bench = {
  name: 'ws-produce',
  about:
    'produce commands of one record of 1 KiB, 64 sockets, eight unanswered on each, one partition; gateway core against the core of a uWS server that only answers',
  unit: 'commands',
  async open(environment) {
    const { dist } = environment;
    const noOp = await startServer(dist, 'uws-no-op.js');
    const headgate = await startHeadgate(environment, ['--durability', 'page-cache']);
    await headgate.topic(topic, 1);
    const port = Number(new URL(headgate.instance.http).port);
    const plain = { server: [noOp.pid] };
    const load = (name: string, spec: WebSocketLoadSpec, processes: Readonly<Record<string, readonly number[]>>) =>
      startLoad({ name, dist, program: 'web-socket-load.js', spec, processes });
    const loads = [
      await load('uWS answers', specOf(noOp.port, {}, command, false), plain),
      await load('JSON, page cache', specOf(port, headgate.headers, command, false), headgate.processes),
      await load('binary, page cache', specOf(port, headgate.headers, frame, true), headgate.processes),
    ];
    return {
      targets: loads.map(({ target }) => target),
      async stop() {
        for (const each of loads) each.stop();
        noOp.stop();
        await headgate.stop();
      },
    };
  },
};

function specOf(
  port: number,
  headers: Readonly<Record<string, string>>,
  message: Buffer,
  isBinary: boolean,
): WebSocketLoadSpec {
  const host = '127.0.0.1';
  const lines = [
    'GET /v1/ws HTTP/1.1',
    `Host: ${host}:${port}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version: 13',
    ...Object.entries(headers).map(([name, text]) => `${name}: ${text}`),
  ];
  return {
    host,
    port,
    connections: 64,
    depth: 8,
    head: `${lines.join('\r\n')}\r\n\r\n`,
    messageBase64: message.toString('base64'),
    isBinary,
    answer: '{"event":"ok","id":1,"results":[{"partition":0,"',
  };
}
