/**
 * One record of 1 KiB per POST over 64 connections, durable, against other servers that do the same. No server is pinned:
 * each may use the whole machine while the others are idle. The first target is the yardstick.
 */
import type { Bench, Target } from '../compare/bench.ts';
import { postSpec, startLoad } from '../load/load.ts';
import { type Rival, startDurableStreams, startS2Lite } from '../servers/rivals.ts';
import { startHeadgate } from '../servers/serve.ts';

const record = 'x'.repeat(1024);

export const httpRivals: Bench = {
  name: 'http-rivals',
  about: 'POST of one record of 1 KiB, durable, 64 keep-alive connections: other open servers against Headgate',
  unit: 'requests',
  goals: [{ target: 'Headgate, raw', of: 'rate', atLeast: 4, against: 's2 lite' }],
  async open(environment) {
    const { dist } = environment;
    const started = [await startS2Lite(environment), await startDurableStreams(environment)];
    const rivals = started.filter((rival): rival is Rival => rival !== undefined);
    const headgate = await startHeadgate(environment, ['--durability', 'fsync'], false);
    await headgate.topic('bench', 1);
    const at = `${headgate.instance.http}/v1/topics/bench`;
    const processes = { server: [headgate.instance.pid], brokers: headgate.processes.brokers };
    const json = JSON.stringify({ records: [{ value: record }] });
    const jsonHeaders = { ...headgate.headers, 'Content-Type': 'application/json' };
    const posts = [
      ...rivals.map((rival) => ({
        name: rival.name,
        spec: postSpec(rival.url, rival.headers, Buffer.from(rival.body(record))),
        processes: { server: [rival.pid] },
      })),
      { name: 'Headgate, raw', spec: postSpec(at, headgate.headers, Buffer.from(record)), processes },
      { name: 'Headgate, JSON', spec: postSpec(`${at}/records`, jsonHeaders, Buffer.from(json)), processes },
    ];
    const loads: { readonly target: Target; stop(): void }[] = [];
    for (const post of posts) loads.push(await startLoad({ ...post, dist, program: 'http-load.js' }));
    return {
      targets: loads.map(({ target }) => target),
      async stop() {
        for (const load of loads) load.stop();
        for (const rival of rivals) rival.stop();
        await headgate.stop();
      },
    };
  },
};
