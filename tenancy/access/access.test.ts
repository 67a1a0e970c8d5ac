import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../engine/kernel/random.ts';
import { StoreUnavailable } from '../../engine/ports.ts';
import { InvalidRequest, Overloaded } from '../../engine/kernel/failure.ts';
import { Forbidden, NotFound } from '../failures.ts';
import type { StoreFaults } from '../../engine/store-memory.ts';
import { newCluster, world } from '../gateways.suite.ts';
import { apiKeysPk } from '../rows/api-key.ts';
import { newKeyId } from '../ids.ts';
import { formatApiKey, newSecret, parseApiKey } from './api-key-text.ts';
import { VerifiedKeys } from './verified-keys.ts';

describe('API keys as text', () => {
  it('parse to what was formatted', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const random = seededRandom(seed);
        const key = { keyId: newKeyId(random), secret: newSecret(random) };
        expect(formatApiKey(key)).toMatch(/^hg_[a-z2-7]{12}_[A-Za-z0-9]{43}$/);
        expect(parseApiKey(formatApiKey(key))).toEqual(key);
      }),
    );
  });

  it('reject any other text', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), (text) => {
        expect(parseApiKey(text)).toBeUndefined();
      }),
    );
  });
});

describe('access', () => {
  it('knows an issued key at once on this gateway, and on another with the change feed', async () => {
    const { clock, open } = world();
    const [a, b] = [await open(), await open()];
    const clusterId = await newCluster(a);
    const { keyId, apiKey } = await a.issueKey(clusterId, 'app');
    const principal = { tenantId: a.tenants()[0]!.tenantId, clusterId, keyId };
    expect(a.access.authenticate(apiKey)).toEqual(principal);
    await clock.settle();
    expect(b.access.authenticate(apiKey)).toEqual(principal);
    expect(b.access.authenticate(apiKey)).toBe(b.access.authenticate(apiKey));
    expect(b.access.authenticatePlain(keyId, apiKey)).toEqual(principal);
    expect(b.access.authenticatePlain('someone', apiKey)).toBeUndefined();
    const late = await open();
    expect(late.access.authenticate(apiKey)).toEqual(principal);
    expect(late.keys(clusterId)).toEqual([{ keyId, name: 'app', createdAtMs: clock.wallMs(), expiresAtMs: undefined }]);
  });

  it('refuses wrong, foreign, truncated and malformed keys', async () => {
    const { open } = world();
    const tenancy = await open();
    const one = await tenancy.issueKey(await newCluster(tenancy, 'acme', 'one'), 'app');
    const two = await tenancy.issueKey(await newCluster(tenancy, 'acme', 'two'), 'app');
    const [, , secret] = one.apiKey.split('_');
    const wrong = [
      '',
      'hg_',
      one.keyId,
      one.apiKey.slice(0, -1),
      `${one.apiKey}x`,
      ` ${one.apiKey}`,
      `${one.apiKey}\n`,
      one.apiKey.toUpperCase(),
      one.apiKey.slice(0, -1) + (one.apiKey.endsWith('a') ? 'b' : 'a'),
      `hg_${two.keyId}_${secret}`,
      `hg_${'a'.repeat(12)}_${secret}`,
      `hg_${one.keyId}_${'A'.repeat(43)}`,
      'x'.repeat(1_000_000),
    ];
    for (const text of wrong) expect(tenancy.access.authenticate(text), text.slice(0, 70)).toBeUndefined();
    expect(tenancy.access.authenticate(one.apiKey)?.keyId).toBe(one.keyId);
    expect(tenancy.access.authenticatePlain(two.keyId, one.apiKey)).toBeUndefined();
  });

  it('keeps no secret in the store', async () => {
    const { open, store } = world();
    const tenancy = await open();
    const { apiKey } = await tenancy.issueKey(await newCluster(tenancy), 'app');
    const [, , secret] = apiKey.split('_');
    const { rows } = await store.range('KEY');
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain(secret);
  });

  it('stops a revoked key at once here, and elsewhere with the change feed', async () => {
    const { clock, open } = world();
    const [a, b] = [await open(), await open()];
    const clusterId = await newCluster(a);
    const { keyId, apiKey } = await a.issueKey(clusterId, 'app');
    const other = await a.issueKey(clusterId, 'other');
    await clock.settle();
    expect(b.access.authenticate(apiKey)).toBeDefined();
    const told: string[] = [];
    a.access.onRevoked((id) => told.push(`a ${id}`));
    const stop = b.access.onRevoked((id) => told.push(`b ${id}`));
    await a.revokeKey(clusterId, keyId);
    expect(a.access.authenticate(apiKey)).toBeUndefined();
    expect(told).toEqual([`a ${keyId}`]);
    await clock.settle();
    expect(b.access.authenticate(apiKey)).toBeUndefined();
    expect(told).toEqual([`a ${keyId}`, `b ${keyId}`]);
    expect(b.access.authenticate(other.apiKey)).toBeDefined();
    await expect(b.revokeKey(clusterId, keyId)).rejects.toThrow(NotFound);
    stop();
    await a.revokeKey(clusterId, other.keyId);
    await clock.settle();
    expect(told).toEqual([`a ${keyId}`, `b ${keyId}`, `a ${other.keyId}`]);
  });

  it('learns of a revocation whose change event was lost', async () => {
    const { clock, open } = world();
    let lose = false;
    const a = await open();
    const b = await open(({ op }) => {
      if (op === 'deliver' && lose) throw new StoreUnavailable('lost');
      return undefined;
    });
    const clusterId = await newCluster(a);
    const revoked = await a.issueKey(clusterId, 'app');
    await clock.settle();
    expect(b.access.authenticate(revoked.apiKey)).toBeDefined();
    lose = true;
    await a.revokeKey(clusterId, revoked.keyId);
    const issued = await a.issueKey(clusterId, 'next');
    await clock.settle();
    expect(b.access.authenticate(revoked.apiKey)).toBeDefined();
    lose = false;
    await clock.advance(1_000);
    expect(b.access.authenticate(revoked.apiKey)).toBeUndefined();
    expect(b.access.authenticate(issued.apiKey)).toBeDefined();
  });

  it('keeps the old key of a rotation valid for its grace period', async () => {
    const { clock, open, store } = world();
    const [a, b] = [await open(), await open()];
    const clusterId = await newCluster(a);
    const old = await a.issueKey(clusterId, 'app');
    await clock.settle();
    const told: string[] = [];
    for (const gateway of [a, b]) gateway.access.onRevoked((id) => told.push(id));
    const next = await a.rotateKey(clusterId, old.keyId, 90_000);
    await clock.settle();
    expect(a.keys(clusterId).map((k) => [k.name, k.expiresAtMs])).toEqual(
      expect.arrayContaining([
        ['app', clock.wallMs() + 90_000],
        ['app', undefined],
      ]),
    );
    await clock.advance(89_999);
    for (const gateway of [a, b]) {
      expect(gateway.access.authenticate(old.apiKey)?.keyId).toBe(old.keyId);
      expect(gateway.access.authenticate(next.apiKey)?.keyId).toBe(next.keyId);
    }
    expect(told).toEqual([]);
    await clock.advance(1);
    await clock.settle();
    for (const gateway of [a, b]) {
      expect(gateway.access.authenticate(old.apiKey)).toBeUndefined();
      expect(gateway.access.authenticate(next.apiKey)).toBeDefined();
      expect(gateway.keys(clusterId).map((k) => k.keyId)).toEqual([next.keyId]);
    }
    expect(told).toEqual([old.keyId, old.keyId]);
    expect((await store.range('KEY')).rows.map((row) => row.sk)).toEqual([next.keyId]);
  });

  it('ends a grace period by the wall clock, even if it jumps', async () => {
    const { clock, open } = world();
    const tenancy = await open();
    const clusterId = await newCluster(tenancy);
    const old = await tenancy.issueKey(clusterId, 'app');
    await tenancy.rotateKey(clusterId, old.keyId, 3_600_000);
    clock.jumpWall(-3_600_000);
    await clock.advance(3_600_000);
    expect(tenancy.access.authenticate(old.apiKey)).toBeDefined();
    clock.jumpWall(3_600_000);
    await clock.advance(60_000);
    expect(tenancy.access.authenticate(old.apiKey)).toBeUndefined();
  });

  it('ends a grace period on every gateway at once, and outlives a store that is away at that moment', async () => {
    const { clock, open, store } = world();
    let isAway = false;
    const faults: StoreFaults = () => {
      if (isAway) throw new StoreUnavailable('away');
      return undefined;
    };
    const [a, b] = [await open(faults), await open(faults)];
    const clusterId = await newCluster(a);
    for (const away of [false, true]) {
      const old = await a.issueKey(clusterId, 'app');
      await a.rotateKey(clusterId, old.keyId, 1_000);
      await clock.settle();
      isAway = away;
      // Both remove the row, so one of them finds it changed.
      await clock.advance(1_000);
      for (const gateway of [a, b]) expect(gateway.access.authenticate(old.apiKey)).toBeUndefined();
      await clock.advance(600_000);
      isAway = false;
    }
    const { rows } = await store.range(apiKeysPk, {});
    // The two new keys, and the one that nobody could remove: the next start does.
    expect(rows).toHaveLength(3);
    await open();
    await clock.advance(1_000);
    expect((await store.range(apiKeysPk, {})).rows).toHaveLength(2);
  });

  it('removes keys whose grace period ended while no gateway ran', async () => {
    const { clock, open, store } = world();
    const first = await open();
    const clusterId = await newCluster(first);
    const old = await first.issueKey(clusterId, 'app');
    await first.rotateKey(clusterId, old.keyId, 1_000);
    await first.close();
    await clock.advance(10_000);
    const next = await open();
    expect(next.access.authenticate(old.apiKey)).toBeUndefined();
    await clock.advance(1);
    expect((await store.range('KEY')).rows).toHaveLength(1);
  });

  it('rotates without a grace period, and never extends an ending key', async () => {
    const { open } = world();
    const tenancy = await open();
    const clusterId = await newCluster(tenancy);
    const one = await tenancy.issueKey(clusterId, 'app');
    await tenancy.rotateKey(clusterId, one.keyId, 0);
    expect(tenancy.access.authenticate(one.apiKey)).toBeUndefined();
    await expect(tenancy.rotateKey(clusterId, one.keyId, 0)).rejects.toThrow(NotFound);
    const two = await tenancy.issueKey(clusterId, 'app');
    await tenancy.rotateKey(clusterId, two.keyId, 1_000);
    const end = tenancy.keys(clusterId).find((k) => k.keyId === two.keyId)!.expiresAtMs;
    await tenancy.rotateKey(clusterId, two.keyId, 50_000);
    expect(tenancy.keys(clusterId).find((k) => k.keyId === two.keyId)!.expiresAtMs).toBe(end);
    await expect(tenancy.rotateKey(clusterId, two.keyId, -1)).rejects.toThrow(InvalidRequest);
  });

  it('treats a key of another cluster as missing', async () => {
    const { open } = world();
    const tenancy = await open();
    const [one, two] = [await newCluster(tenancy, 'acme', 'one'), await newCluster(tenancy, 'beta', 'two')];
    const { keyId, apiKey } = await tenancy.issueKey(one, 'app');
    await expect(tenancy.revokeKey(two, keyId)).rejects.toThrow(NotFound);
    await expect(tenancy.rotateKey(two, keyId, 0)).rejects.toThrow(NotFound);
    await expect(tenancy.revokeKey(one, 'no such key')).rejects.toThrow(NotFound);
    expect(tenancy.access.authenticate(apiKey)).toBeDefined();
  });

  it('ends what the keys of a suspended cluster have opened, everywhere, and still knows their holders', async () => {
    const { clock, open } = world();
    const [a, b] = [await open(), await open()];
    const clusterId = await newCluster(a);
    const { keyId, apiKey } = await a.issueKey(clusterId, 'app');
    await clock.settle();
    expect(b.access.authenticate(apiKey)).toBeDefined();
    const told: string[] = [];
    b.access.onRevoked((id) => told.push(id));
    await a.updateCluster(clusterId, { state: 'suspended' });
    await clock.settle();
    expect(told).toEqual([keyId]);
    const made = await b.issueKey(clusterId, 'while suspended');
    await clock.settle();
    for (const gateway of [a, b]) {
      // The doors ask for the state, and say so.
      expect(gateway.cluster(clusterId)?.state).toBe('suspended');
      for (const key of [apiKey, made.apiKey]) expect(gateway.access.authenticate(key)?.clusterId).toBe(clusterId);
      expect(gateway.access.authenticate(`${apiKey}x`)).toBeUndefined();
    }
    await b.updateCluster(clusterId, { state: 'serving' });
    await clock.settle();
    for (const gateway of [a, b]) {
      expect(gateway.access.authenticate(apiKey)).toBeDefined();
      expect(gateway.access.authenticate(made.apiKey)).toBeDefined();
    }
  });

  it('issues a given key once, whoever is first, and never for a second cluster', async () => {
    const { clock, open } = world();
    const [a, b] = [await open(), await open()];
    const [one, two] = [await newCluster(a, 'acme', 'one'), await newCluster(a, 'acme', 'two')];
    await clock.settle();
    const random = seededRandom(5);
    const given = { keyId: newKeyId(random), secret: newSecret(random) };
    const apiKey = formatApiKey(given);
    const issued = await Promise.all([a.issueKey(one, 'first', apiKey), b.issueKey(one, 'second', apiKey)]);
    expect(issued).toEqual([
      { keyId: given.keyId, apiKey },
      { keyId: given.keyId, apiKey },
    ]);
    for (const gateway of [a, b]) expect(gateway.access.authenticate(apiKey)?.clusterId).toBe(one);
    await expect(b.issueKey(two, 'stolen', apiKey)).rejects.toThrow(Overloaded);
    await clock.settle();
    for (const gateway of [a, b]) {
      expect(gateway.access.authenticate(apiKey)?.clusterId).toBe(one);
      expect([gateway.keys(one).length, gateway.keys(two).length]).toEqual([1, 0]);
    }
  });

  it('issues keys only for existing clusters, with names and up to a limit', async () => {
    const { open } = world();
    const tenancy = await open(undefined, { keysPerClusterMax: 2 });
    const clusterId = await newCluster(tenancy);
    await expect(tenancy.issueKey('nosuchcluster', 'app')).rejects.toThrow(NotFound);
    for (const name of ['', 'x'.repeat(129), 'a\nb']) {
      await expect(tenancy.issueKey(clusterId, name)).rejects.toThrow(InvalidRequest);
    }
    await tenancy.issueKey(clusterId, 'one');
    await tenancy.issueKey(clusterId, 'zwei ✓');
    await expect(tenancy.issueKey(clusterId, 'three')).rejects.toThrow(InvalidRequest);
    const { keyId } = tenancy.keys(clusterId)[0]!;
    await expect(tenancy.rotateKey(clusterId, keyId, 1)).rejects.toThrow(InvalidRequest);
    await tenancy.rotateKey(clusterId, keyId, 0);
    expect(tenancy.keys(clusterId)).toHaveLength(2);
    const never = (): Promise<void> => Promise.reject(new Error('stopped'));
    await expect(tenancy.deleteCluster(clusterId, never)).rejects.toThrow('stopped');
    for (const { keyId } of tenancy.keys(clusterId)) await tenancy.revokeKey(clusterId, keyId);
    await expect(tenancy.issueKey(clusterId, 'four')).rejects.toThrow(Forbidden);
  });
});

describe('verified keys', () => {
  it('stay within their limit and keep the ones in use', () => {
    const cache = new VerifiedKeys(100);
    const principal = (keyId: string) => ({ tenantId: 't', clusterId: 'c', keyId });
    cache.add('busy', principal('busy'));
    for (let i = 0; i < 1_000; i++) {
      cache.add(`key ${i}`, principal(`${i}`));
      expect(cache.get('busy')?.keyId).toBe('busy');
      expect(cache.size).toBeLessThanOrEqual(100);
    }
    expect(cache.get('key 0')).toBeUndefined();
    cache.forget('busy');
    cache.forget('busy');
    expect(cache.get('busy')).toBeUndefined();
  });
});
