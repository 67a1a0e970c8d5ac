import { describe, expect, it } from 'vitest';
import { type Bench, httpBench } from './door-bench.suite.ts';
import { dataPlaneOpenapi } from './openapi.ts';

type Operations = Readonly<Record<string, Readonly<Record<string, { readonly operationId: string }>>>>;
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
