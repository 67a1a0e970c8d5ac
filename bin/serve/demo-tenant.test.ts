import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, it } from 'vitest';
import { systemClock } from '../../engine/kernel/clock.ts';
import { type Random, systemRandom } from '../../engine/kernel/random.ts';
import { memoryStore } from '../../engine/store-memory.ts';
import { openTenancy } from '../../tenancy/open-tenancy.ts';
import { demoSecrets, ensureDemoTenant, writeDemoEnv } from './demo-tenant.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-demo-'));
const path = join(folder, 'demo.env');
afterEach(() => rmSync(path, { force: true }));
afterAll(() => rmSync(folder, { recursive: true }));
const addresses = {
  kafkaHost: '127.0.0.1',
  httpHost: '127.0.0.1',
  kafkaPort: 1,
  httpPort: 2,
  adminPort: 3,
  tls: false,
};

it('secrets are drawn once, whoever asks, and kept where their owner alone reads', () => {
  const first = demoSecrets(path, systemRandom);
  expect(first.clusterId).toBeUndefined();
  expect(demoSecrets(path, systemRandom)).toEqual(first);
  writeDemoEnv(path, { ...first, clusterId: 'c1' }, addresses);
  expect(demoSecrets(path, systemRandom)).toEqual({ ...first, clusterId: 'c1' });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(['demo.env']);
});

it('the secrets are those of the gateway whose file is there first, whoever drew theirs before', () => {
  let others: unknown;
  // Another gateway makes the file between this one's look for it and its own.
  const late: Random = {
    ...systemRandom,
    bytes: (count) => {
      others ??= demoSecrets(path, systemRandom);
      return systemRandom.bytes(count);
    },
  };
  expect(demoSecrets(path, late)).toEqual(others);
  expect(demoSecrets(path, systemRandom)).toEqual(others);
});

it('a file that lacks a key keeps the admin key', () => {
  writeFileSync(path, 'HEADGATE_ADMIN_KEY=hga_mine\n');
  const secrets = demoSecrets(path, systemRandom);
  expect(secrets).toMatchObject({ adminKey: 'hga_mine' });
  expect(readFileSync(path, 'utf8')).toContain(`HEADGATE_API_KEY=${secrets.apiKey}\n`);
});

it('gateways that start at the same moment make one tenant, one cluster and one key', async () => {
  const clock = systemClock;
  const store = memoryStore({ clock });
  const open = () => openTenancy({ store: store.connect(), clock, random: systemRandom });
  const gateways = await Promise.all([open(), open(), open()]);
  const secrets = demoSecrets(path, systemRandom);
  const made = await Promise.all(gateways.map((tenancy) => ensureDemoTenant(tenancy, secrets, clock)));
  expect(new Set(made.map((access) => JSON.stringify(access))).size).toBe(1);
  const { clusterId, apiKey, keyId } = made[0]!;
  for (const tenancy of gateways) {
    expect(tenancy.access.authenticate(apiKey)).toMatchObject({ clusterId });
    await expect.poll(() => tenancy.keys(clusterId).map((key) => key.keyId)).toEqual([keyId]);
    expect(tenancy.tenants()).toHaveLength(1);
    await tenancy.close();
  }
});
