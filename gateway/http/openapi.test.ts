import { describe, expect, it } from 'vitest';
import { type Bench, httpBench } from './door-bench.suite.ts';
import { dataPlaneOpenapi } from './openapi.ts';

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly security: readonly unknown[];
}
type Operations = Readonly<Record<string, Readonly<Record<string, Operation>>>>;
const paths = dataPlaneOpenapi.paths as unknown as Operations;

describe('the OpenAPI description', () => {
  it('describes exactly the methods that each path accepts', async () => {
    const bench: Bench = await httpBench('node');
    for (const [path, operations] of Object.entries(paths)) {
      const response = await fetch(bench.base + path.replace(/\{\w+\}/, 'x'), { method: 'PUT' });
      expect(response.status).toBe(405);
      const allowed = (response.headers.get('allow') ?? '').split(', ').filter((method) => method !== 'HEAD');
      const told = Object.keys(operations).map((method) => method.toUpperCase());
      expect([path, told.sort()]).toEqual([path, allowed.sort()]);
    }
    await bench.close();
  });

  it('names the query parameters that each path takes, and others are refused by name', async () => {
    const bench: Bench = await httpBench('node');
    const tenant = await bench.tenant('t');
    await tenant.call('POST', '/v1/topics', { json: { name: 'x' } });
    let asked = 0;
    for (const [path, operations] of Object.entries(paths)) {
      for (const [method, { operationId, parameters = [], security }] of Object.entries(operations)) {
        if (security.length === 0 || operationId === 'websocket') continue;
        const told = parameters.filter((each) => each.in === 'query').map(({ name }) => name);
        const url = `${path.replace(/\{\w+\}/, 'x')}?form=latest`;
        const { status, json } = await tenant.call(method.toUpperCase(), url);
        expect([operationId, status, json['code'], json['field']]).toEqual([
          operationId,
          400,
          'invalid-request',
          'form',
        ]);
        const listed = /^unknown query parameter 'form': (?:use (.*)|this request takes none)$/.exec(
          String(json['detail']),
        );
        const known = (listed?.[1] ?? '').split(', ').filter((name) => name !== '' && name !== 'partition');
        expect([operationId, known.sort()]).toEqual([operationId, told.filter((name) => name !== 'partition').sort()]);
        asked++;
      }
    }
    expect(asked).toBeGreaterThan(10);
    const read = `/v1/topics/x/records?from=earliest&partition=0&max_records=1&max_bytes=9&wait=1ms&clamp=true&format=json`;
    expect((await tenant.call('GET', read)).status).toBe(200);
    const twice = await tenant.call('GET', '/v1/topics/x/records?partition=0&partition=1');
    expect(twice).toMatchObject({ status: 400, json: { code: 'invalid-request', field: 'partition' } });
    expect((await fetch(`${bench.base}/v1?anything=1`)).status).toBe(200);
    await bench.close();
  });

  it('refers only to schemas that exist, and names each operation once', () => {
    const refs = [...JSON.stringify(dataPlaneOpenapi).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(
      ([, name]) => name,
    );
    for (const name of refs) expect(dataPlaneOpenapi.components.schemas).toHaveProperty(name ?? '');
    const ids = Object.values(paths).flatMap((operations) =>
      Object.values(operations).map(({ operationId }) => operationId),
    );
    expect(new Set(ids).size).toBe(ids.length);
  });
});
