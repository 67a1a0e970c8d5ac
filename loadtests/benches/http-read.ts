/** Pages of records as JSON over HTTP, one mebibyte of records at a time, against a uWebSockets.js handler that sends as much from memory. */
import type { Bench, BenchEnvironment, Target } from '../compare/bench.ts';
import { getSpec, startLoad } from '../load/load.ts';
import { type Headgate, startHeadgate, startServer } from '../servers/serve.ts';

interface Kind {
  readonly name: string;
  readonly format: 'json' | 'string' | 'base64';
  /** As it appears in the body of a produce request. */
  readonly value: string;
  readonly recordsPerPost: number;
}

const order = (id: number): object => ({
  id,
  customer: { name: `customer ${id}`, email: `c${id}@example.com` },
  lines: [
    { sku: 'A-1', quantity: 2, price: 12.5 },
    { sku: 'B-7', quantity: 1, price: 99 },
  ],
  isPaid: true,
  note: null,
});

const kinds: readonly Kind[] = [
  { name: 'text of 150 KB', format: 'string', value: JSON.stringify('x'.repeat(150_000)), recordsPerPost: 4 },
  {
    name: 'JSON of 150 KB',
    format: 'json',
    value: JSON.stringify(Array.from({ length: 900 }, (_, id) => order(id))),
    recordsPerPost: 4,
  },
  { name: 'text of 1 KiB', format: 'string', value: JSON.stringify('x'.repeat(1024)), recordsPerPost: 500 },
  { name: 'JSON of 200 B', format: 'json', value: JSON.stringify(order(1)), recordsPerPost: 1_000 },
  { name: 'text of 100 B', format: 'string', value: JSON.stringify('x'.repeat(100)), recordsPerPost: 1_000 },
];

/** Enough for the page that is requested. */
const postsBytes = 2 << 20;
const connections = 4;

async function fill(headgate: Headgate, topic: string, { format, value, recordsPerPost }: Kind): Promise<void> {
  await headgate.topic(topic, 1);
  const record = `{"value":${value}}`;
  const body = `{"records":[${Array.from({ length: recordsPerPost }, () => record).join(',')}]}`;
  for (let bytes = 0; bytes < postsBytes; bytes += body.length) {
    await headgate.post(`/v1/topics/${topic}/records?format=${format}`, body, { 'content-type': 'application/json' });
  }
}

export const httpRead: Bench = {
  name: 'http-read',
  about:
    'GET of one page of up to 1 MiB of records as JSON, from memory, four connections; gateway core against the core of a uWS server that answers 1 MiB',
  unit: 'pages',
  async open(environment: BenchEnvironment) {
    const { dist } = environment;
    const constant = await startServer(dist, 'uws-no-op.js');
    const headgate = await startHeadgate(environment, ['--durability', 'page-cache']);
    const get = (name: string, url: string, processes: Target['processes']) =>
      startLoad({ name, dist, program: 'http-load.js', spec: getSpec(url, headgate.headers, connections), processes });
    const loads = [
      await get('uWS, 1 MiB from memory', `http://127.0.0.1:${constant.port}/mebibyte`, { server: [constant.pid] }),
    ];
    for (const [i, kind] of kinds.entries()) {
      await fill(headgate, `read-${i}`, kind);
      const url = `${headgate.instance.http}/v1/topics/read-${i}/records?from=earliest&max_records=10000&format=${kind.format}`;
      loads.push(await get(kind.name, url, headgate.processes));
    }
    return {
      targets: loads.map(({ target }) => target),
      async stop() {
        for (const load of loads) load.stop();
        constant.stop();
        await headgate.stop();
      },
    };
  },
};
