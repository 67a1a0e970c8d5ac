/** A connection waits for its turn among the attempts of its cluster; and what may happen before that turn. */
import { beforeEach, expect, it } from 'vitest';
import { type ManualClock, manualClock } from '../../engine/kernel/manual-clock.ts';
import { seededRandom } from '../../engine/kernel/random.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import type { Tenancy } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import { Login, type LoginResult } from './session.ts';
import { gatewayInTest } from '../gateway-in-test.suite.ts';

let clock: ManualClock;
let tenancy: Tenancy;
let context: GatewayContext;
let clusterId: string;
let keyId: string;
let token: Buffer;
/** What each connection was told, in order. */
let told: string[];

beforeEach(async () => {
  clock = manualClock();
  ({ tenancy, context } = await gatewayInTest({ clock, random: seededRandom(1) }));
  const { tenantId } = await tenancy.createTenant('t');
  const limits = { connectionAttemptsPerSecondMax: 2 };
  ({ clusterId } = await tenancy.createCluster({ tenantId, name: 'c', limits }));
  const key = await tenancy.issueKey(clusterId, 'test');
  keyId = key.keyId;
  token = Buffer.from(`\0${keyId}\0${key.apiKey}`);
  told = [];
});

interface Attempt {
  readonly login: Login;
  result: LoginResult | undefined;
}

/** `count` connections at once. */
async function attempts(count: number): Promise<Attempt[]> {
  const all = Array.from({ length: count }, (_, i): Attempt => {
    const events = { ready: () => void told.push(`${i} ready`), refused: () => void told.push(`${i} refused`) };
    const login = new Login(context, events);
    login.handshake(1, 'PLAIN');
    const attempt: Attempt = { login, result: undefined };
    void Promise.resolve(login.authenticate(token)).then((result) => void (attempt.result = result));
    return attempt;
  });
  await clock.settle();
  return all;
}

const states = (all: readonly Attempt[]): string[] => all.map(({ login }) => login.session.state);
const connections = (): number => tenancy.cluster(clusterId)!.usage.connections;

it('admits a crowd one after the other, and refuses connections that would wait more than five seconds', async () => {
  const crowd = await attempts(14);
  // Two are admitted at once, ten more within five seconds.
  const waiting = Array.from({ length: 10 }, () => 'waiting');
  expect(states(crowd)).toEqual(['ready', 'ready', ...waiting, 'closing', 'closing']);
  expect(connections()).toBe(12);
  expect(crowd[13]!.result).toMatchObject({
    ok: false,
    errorCode: errorCode.throttlingQuotaExceeded,
    quota: 'connectionAttemptsPerSecondMax',
  });
  await clock.advance(500);
  expect(states(crowd.slice(2, 4))).toEqual(['ready', 'waiting']);
  expect(crowd[2]!.result).toEqual({ ok: true });
  await clock.advance(4_500);
  expect(states(crowd.slice(0, 12)).every((state) => state === 'ready')).toBe(true);
  expect(told.filter((each) => each.endsWith('refused'))).toEqual(['12 refused', '13 refused']);
  for (const { login } of crowd) login.end();
  expect(connections()).toBe(0);
});

it('gives back the room of a connection that ends before its turn', async () => {
  const [, , leaves] = await attempts(3);
  expect(connections()).toBe(3);
  leaves!.login.end();
  expect(connections()).toBe(2);
  await clock.advance(1_000);
  expect(leaves!.result).toMatchObject({ ok: false });
  expect(connections()).toBe(2);
  expect(told).toEqual(['0 ready', '1 ready']);
});

it('admits no connection whose key was revoked before its turn', async () => {
  const [, , loses] = await attempts(3);
  await tenancy.revokeKey(clusterId, keyId);
  await clock.advance(1_000);
  expect(loses!.result).toMatchObject({ ok: false, errorCode: errorCode.saslAuthenticationFailed });
  expect(connections()).toBe(2);
  expect(told).toEqual(['0 ready', '1 ready', '2 refused']);
});

it('refuses the connections of a suspended cluster, and tells those with a right key why', async () => {
  const [, , loses] = await attempts(3);
  await tenancy.updateCluster(clusterId, { state: 'suspended' });
  await clock.advance(1_000);
  const [late] = await attempts(1);
  const refused = {
    ok: false,
    errorCode: errorCode.saslAuthenticationFailed,
    message: 'Authentication failed: the cluster is suspended',
  };
  expect([loses!.result, late!.result]).toEqual([refused, refused]);
  expect(connections()).toBe(2);
});

it('takes an authorization id only if it is that of the user, and nothing with a part too few or too many', async () => {
  const [, user, password] = token.toString().split('\0');
  const wrong = [
    `other\0${user}\0${password}`,
    `\0${user}`,
    `\0${user}\0${password}\0`,
    `\0\0${password}`,
    `\0${user}\0`,
  ];
  for (const text of wrong) {
    token = Buffer.from(text);
    const [attempt] = await attempts(1);
    expect(attempt!.result, text).toMatchObject({ ok: false, errorCode: errorCode.saslAuthenticationFailed });
  }
  token = Buffer.from(`${user}\0${user}\0${password}`);
  expect((await attempts(1))[0]!.result).toEqual({ ok: true });
});

it('lets nobody authenticate before a handshake, twice, or after the end', async () => {
  const illegal = { ok: false, errorCode: errorCode.illegalSaslState };
  const events = { ready: () => undefined, refused: () => undefined };
  expect(await new Login(context, events).authenticate(token)).toMatchObject(illegal);
  const [{ login }] = (await attempts(1)) as [Attempt];
  expect(await login.authenticate(token)).toMatchObject(illegal);
  expect(login.handshake(1, 'PLAIN')).toBe(errorCode.illegalSaslState);
  expect(connections()).toBe(1);
  login.end();
  expect(await login.authenticate(token)).toMatchObject(illegal);
  expect(connections()).toBe(0);
});
