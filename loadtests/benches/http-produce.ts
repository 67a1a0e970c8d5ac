/** HTTP produce of 1 KiB records, one or many per request, against a uWebSockets.js handler that only answers. */
import { encodeBatch } from '../../engine/records/encode.ts';
import type { Bench, Target } from '../compare/bench.ts';
import { postSpec, startLoad } from '../load/load.ts';
import { startHeadgate, startServer } from '../servers/serve.ts';

const body = Buffer.alloc(1024, 'x');
const json = Buffer.from(JSON.stringify({ records: [{ value: 'x'.repeat(1024) }] }));

export const httpProduce: Bench = {
  name: 'http-produce',
  about:
    'POST /v1/topics/{topic}, 1 KiB, 64 keep-alive connections, one partition; gateway core against the core of a no-op uWS server',
  unit: 'requests',
  goals: [
    { target: 'raw, page cache', of: 'rate', atLeast: 0.5 },
    { target: 'raw, fsync', of: 'rate', atLeast: 0.6, against: 'raw, page cache' },
    { target: 'json, page cache', of: 'rate', atLeast: 0.5 },
    { target: 'raw, page cache, in-process', of: 'rate', atLeast: 0.7 },
  ],
  async open(environment) {
    const { dist } = environment;
    const noOp = await startServer(dist, 'uws-no-op.js');
    const cached = await startHeadgate(environment, ['--durability', 'page-cache']);
    const durable = await startHeadgate(environment, ['--durability', 'fsync']);
    const inside = await startHeadgate(environment, ['--durability', 'page-cache', '--broker-mode', 'in-process']);
    for (const server of [cached, durable, inside]) await server.topic('bench', 1);
    const program = 'http-load.js';
    const post = (
      name: string,
      url: string,
      headers: Readonly<Record<string, string>>,
      bytes: Buffer,
      processes: Readonly<Record<string, readonly number[]>>,
    ) => startLoad({ name, dist, program, spec: postSpec(url, headers, bytes), processes });
    const jsonHeaders = { ...cached.headers, 'Content-Type': 'application/json' };
    const loads = [
      await post('uWS no-op', `http://127.0.0.1:${noOp.port}/v1/topics/bench`, cached.headers, body, {
        server: [noOp.pid],
      }),
      await post('raw, page cache', `${cached.instance.http}/v1/topics/bench`, cached.headers, body, cached.processes),
      await post(
        'raw, page cache, in-process',
        `${inside.instance.http}/v1/topics/bench`,
        inside.headers,
        body,
        inside.processes,
      ),
      await post('raw, fsync', `${durable.instance.http}/v1/topics/bench`, durable.headers, body, durable.processes),
      await post(
        'json, page cache',
        `${cached.instance.http}/v1/topics/bench/records`,
        jsonHeaders,
        json,
        cached.processes,
      ),
    ];
    return {
      targets: loads.map(({ target }) => target),
      async stop() {
        for (const load of loads) load.stop();
        noOp.stop();
        await Promise.all([cached.stop(), durable.stop(), inside.stop()]);
      },
    };
  },
};

const recordsPerPost = 100;
const value = 'x'.repeat(1024);
const many = Array.from({ length: recordsPerPost }, () => ({ value }));
const manyJson = Buffer.from(JSON.stringify({ records: many }));
const manyLines = Buffer.from(`${many.map((record) => JSON.stringify(record)).join('\n')}\n`);
const manyBatch = encodeBatch(many.map(() => ({ key: null, value: Buffer.from(value), timestampMs: Date.now() })));

export const httpProduceMany: Bench = {
  name: 'http-produce-many',
  about:
    'POST /v1/topics/{topic}/records of 100 records of 1 KiB, 16 keep-alive connections, one partition; gateway core against the core of a no-op uWS server',
  unit: 'requests',
  async open(environment) {
    const { dist } = environment;
    const noOp = await startServer(dist, 'uws-no-op.js');
    const headgate = await startHeadgate(environment, ['--durability', 'page-cache']);
    await headgate.topic('bench', 1);
    const path = '/v1/topics/bench/records';
    const post = (name: string, url: string, type: string, bytes: Buffer, processes: Target['processes']) => {
      const spec = postSpec(url, { ...headgate.headers, 'Content-Type': type }, bytes, 16);
      return startLoad({ name, dist, program: 'http-load.js', spec, processes });
    };
    const toHeadgate = (name: string, query: string, type: string, bytes: Buffer) =>
      post(name, headgate.instance.http + path + query, type, bytes, headgate.processes);
    const plain = { server: [noOp.pid] };
    const loads = [
      await post('uWS no-op', `http://127.0.0.1:${noOp.port}/v1/topics/bench`, 'application/json', manyJson, plain),
      await toHeadgate('JSON', '', 'application/json', manyJson),
      await toHeadgate('NDJSON', '', 'application/x-ndjson', manyLines),
      await toHeadgate('record batch', '?partition=0', 'application/vnd.kafka.recordbatch', manyBatch),
    ];
    return {
      targets: loads.map(({ target }) => target),
      async stop() {
        for (const load of loads) load.stop();
        noOp.stop();
        await headgate.stop();
      },
    };
  },
};
