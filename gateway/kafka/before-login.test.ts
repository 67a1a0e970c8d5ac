/** What a connection may ask before it has authenticated. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ApiKey, apiByKey, type RequestOf } from '../../engine/protocol/apis.ts';
import { make } from '../../engine/protocol/make.ts';
import { servedVersions } from '../../engine/protocol/versions.ts';
import { type DoorBench, doorBench } from './door.suite.ts';

/** SaslHandshake, ApiVersions, SaslAuthenticate. */
const open = new Set([17, 18, 36]);

let bench: DoorBench;
beforeAll(async () => {
  bench = await doorBench();
});
afterAll(() => bench.close());

it('nothing but the login: every other request ends the connection without an answer', async () => {
  const closed = [...servedVersions.values()].filter(({ key }) => !open.has(key));
  expect(closed.length).toBeGreaterThan(30);
  for (const { key, max } of closed) {
    const client = await bench.client();
    client.send(key as ApiKey, max, make(apiByKey.get(key as ApiKey)!.request, {} as never) as RequestOf<ApiKey>);
    expect(await client.next(), `API ${key}`).toBeUndefined();
  }
  const refused = bench.logged.filter(({ event }) => event === 'kafka-connection-refused');
  expect(refused.map(({ fields }) => fields['reason'])).toEqual(
    closed.map(({ key }) => `API ${key} before authentication`),
  );
});
