import { beforeEach, expect, it } from 'vitest';
import { type ManualClock, manualClock } from '../../engine/kernel/manual-clock.ts';
import { seededRandom } from '../../engine/kernel/random.ts';
import { memoryStore } from '../../engine/store-memory.ts';
import { Unauthenticated } from '../../tenancy/failures.ts';
import { openTenancy } from '../../tenancy/open-tenancy.ts';
import type { Principal, Tenancy } from '../../tenancy/tenancy.ts';
import { Tickets } from './tickets.ts';

let clock: ManualClock;
let tenancy: Tenancy;
let tickets: Tickets;

beforeEach(async () => {
  clock = manualClock();
  const random = seededRandom(1);
  tenancy = await openTenancy({ store: memoryStore({ clock }), clock, random });
  tickets = new Tickets({ clock, random, tenancy }, { ticketMs: 30_000, ticketsUsedMax: 4 });
});

async function principalOf(name: string): Promise<Principal> {
  const { tenantId } = await tenancy.createTenant(name);
  const { clusterId } = await tenancy.createCluster({ tenantId, name });
  const { keyId } = await tenancy.issueKey(clusterId, 'k');
  return { tenantId, clusterId, keyId };
}

it('are valid once, until they expire, and while their key is valid', async () => {
  const acme = await principalOf('acme');
  const ticket = await tickets.issue(acme);
  expect(await tickets.redeem(ticket)).toEqual(acme);
  await expect(tickets.redeem(ticket)).rejects.toThrow(Unauthenticated);
  const [late, revoked] = [await tickets.issue(acme), await tickets.issue(acme)];
  await tenancy.revokeKey(acme.clusterId, acme.keyId);
  await expect(tickets.redeem(revoked)).rejects.toThrow(Unauthenticated);
  await clock.advance(31_000);
  await expect(tickets.redeem(late)).rejects.toThrow(Unauthenticated);
  await expect(tickets.redeem(`${ticket}x`)).rejects.toThrow(Unauthenticated);
});

it('are valid as long as the key of their holder is in its grace after a rotation', async () => {
  const acme = await principalOf('acme');
  await tenancy.rotateKey(acme.clusterId, acme.keyId, 10_000);
  const [first, second] = [await tickets.issue(acme), await tickets.issue(acme)];
  await clock.advance(9_000);
  expect(await tickets.redeem(first)).toEqual(acme);
  await clock.advance(1_000);
  await expect(tickets.redeem(second)).rejects.toThrow(Unauthenticated);
});

it('of one cluster, however many, leave room for the tickets of others', async () => {
  const [loud, quiet] = [await principalOf('loud'), await principalOf('quiet')];
  for (let i = 0; i < 2; i++) await tickets.redeem(await tickets.issue(loud));
  await expect(tickets.redeem(await tickets.issue(loud))).rejects.toThrow(Unauthenticated);
  expect(await tickets.redeem(await tickets.issue(quiet))).toEqual(quiet);
  for (let i = 0; i < 3; i++) {
    await clock.advance(31_000);
    for (let n = 0; n < 2; n++) expect(await tickets.redeem(await tickets.issue(loud))).toEqual(loud);
    await expect(tickets.redeem(await tickets.issue(loud))).rejects.toThrow(Unauthenticated);
  }
});
