import fs, {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, it, vi } from 'vitest';
import { type Random, systemRandom } from '../../engine/kernel/random.ts';
import { type DemoSecrets, demoSecrets, writeDemoEnv } from './demo-env.ts';

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

const fail = (text: string): never => {
  throw new Error(text);
};

/** Runs `before` when something is generated for the first time: after the look at the file, and before it changes. */
function randomAfter(before: () => void): Random {
  let isFirst = true;
  const bytes: Random['bytes'] = (count) => {
    if (isFirst) {
      isFirst = false;
      before();
    }
    return systemRandom.bytes(count);
  };
  return { ...systemRandom, bytes };
}

/** What this gateway and another one get when the other one comes in between. */
function withAnother(revoked?: string): DemoSecrets[] {
  let others: DemoSecrets | undefined;
  const own = demoSecrets(
    path,
    randomAfter(() => (others = demoSecrets(path, systemRandom, revoked))),
    revoked,
  );
  return [own, others!];
}

it('secrets are generated once, whoever asks, and kept where only their owner can read them', () => {
  const first = demoSecrets(path, systemRandom);
  expect(first.clusterId).toBeUndefined();
  expect(demoSecrets(path, systemRandom)).toEqual(first);
  writeDemoEnv(path, { ...first, clusterId: 'c1' }, addresses, fail);
  expect(demoSecrets(path, systemRandom)).toEqual({ ...first, clusterId: 'c1' });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(['demo.env']);
});

it.each([
  ['there is no file', undefined],
  ['somebody has emptied the file', ''],
  ['somebody has taken the admin key out', 'HEADGATE_API_KEY=hgk_a_b\nHEADGATE_SASL_USERNAME=a\n'],
  ['somebody has taken the API key out', 'HEADGATE_ADMIN_KEY=hga_mine\n'],
])('gateways that start together keep the same secrets when %s', (_, text) => {
  if (text !== undefined) writeFileSync(path, text);
  const [own, others] = withAnother();
  expect(own).toEqual(others);
  expect(demoSecrets(path, systemRandom)).toEqual(own);
  expect(readdirSync(folder)).toEqual(['demo.env']);
});

it('gateways that replace a revoked key at the same time all get the same new key', () => {
  const { adminKey, apiKey } = demoSecrets(path, systemRandom);
  const [own, others] = withAnother(apiKey);
  expect(own).toEqual(others);
  expect(own).toMatchObject({ adminKey });
  expect(own!.apiKey).not.toBe(apiKey);
  expect(demoSecrets(path, systemRandom, apiKey)).toEqual(own);
});

it('the next gateway takes over the secret of a killed one and removes its files', () => {
  writeFileSync(`${path}.4194305.new`, 'of a gateway that was killed while it wrote');
  const killed = vi.spyOn(fs, 'renameSync').mockImplementationOnce(() => {
    throw new Error('killed');
  });
  syncBuiltinESMExports();
  expect(() => demoSecrets(path, systemRandom)).toThrow('killed');
  killed.mockRestore();
  syncBuiltinESMExports();
  const left = readdirSync(folder).find((name) => /\.[0-9a-f]{16}\.new$/.test(name));
  const drawn = readFileSync(join(folder, left!), 'utf8');
  const secrets = demoSecrets(path, systemRandom);
  expect(drawn).toContain(`HEADGATE_ADMIN_KEY=${secrets.adminKey}\n`);
  writeDemoEnv(path, { ...secrets, clusterId: 'c1' }, addresses, fail);
  expect(demoSecrets(path, systemRandom)).toEqual({ ...secrets, clusterId: 'c1' });
  expect(readdirSync(folder)).toEqual(['demo.env']);
});

it('a file that lacks a key keeps the admin key', () => {
  writeFileSync(path, 'HEADGATE_ADMIN_KEY=hga_mine\n');
  const secrets = demoSecrets(path, systemRandom);
  expect(secrets).toMatchObject({ adminKey: 'hga_mine' });
  expect(readFileSync(path, 'utf8')).toContain(`HEADGATE_API_KEY=${secrets.apiKey}\n`);
});

it('a file that cannot be written, and has the same keys, is told of; one with others ends the start', () => {
  const access = { ...demoSecrets(path, systemRandom), clusterId: 'c1' };
  writeDemoEnv(path, access, addresses, fail);
  const before = readFileSync(path, 'utf8');
  const told: string[] = [];
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  for (const name of ['writeFileSync', 'renameSync'] as const) {
    const spy = vi.spyOn(fs, name).mockImplementation(() => {
      throw full;
    });
    syncBuiltinESMExports();
    try {
      const moved = { ...addresses, kafkaPort: 9 };
      writeDemoEnv(path, access, moved, (text) => told.push(text));
      expect(() => writeDemoEnv(path, { ...access, apiKey: 'hgk_x_y' }, moved, fail)).toThrow('ENOSPC');
    } finally {
      spy.mockRestore();
      syncBuiltinESMExports();
    }
  }
  expect(told).toEqual(Array(2).fill(`${path} keeps the addresses of an earlier start: ${full.message}`));
  expect(readFileSync(path, 'utf8')).toBe(before);
  expect(readdirSync(folder)).toEqual(['demo.env']);
});

it('something else in its place is named', () => {
  mkdirSync(path);
  expect(() => demoSecrets(path, systemRandom)).toThrow(`${path} cannot be read: EISDIR`);
  rmdirSync(path);
});
