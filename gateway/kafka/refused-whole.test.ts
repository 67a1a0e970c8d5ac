/** A request that fails as a whole is answered in its API's own form, in every version: other answers end the connection. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Cancellation } from '../../engine/kernel/cancellation.ts';
import { systemClock } from '../../engine/kernel/clock.ts';
import { messageArbitrary } from '../../engine/protocol/arbitrary.suite.ts';
import { apiByKey, type RequestOf } from '../../engine/protocol/apis.ts';
import { decodeRequestHeader, decodeResponse, encodeRequest } from '../../engine/protocol/headers.ts';
import { Forbidden } from '../../tenancy/failures.ts';
import { ClusterShares } from '../cluster-shares.ts';
import { FairTurns } from '../fair-turns.ts';
import { Advertised } from './advertised.ts';
import type { Call, Served, TenantApi } from './api.ts';
import { UnacknowledgedFailed } from './api/00-produce.ts';
import { apis } from './apis.ts';
import type { Refusal } from './failures.ts';
import { Traffic } from '../traffic.ts';

const clusterId = 'caaaaaaaaaaa';

/** Whatever is asked of it fails. */
const suspended = new Proxy(
  { clock: systemClock, traffic: new Traffic(), turns: new FairTurns(systemClock, 4) },
  {
    get(parts, name) {
      if (name === 'clock' || name === 'traffic' || name === 'turns') return parts[name];
      throw new Forbidden(`topic ${clusterId}.orders is away`);
    },
  },
);

interface Refused extends Call {
  /** The code of the last refusal. */
  code: number | undefined;
}

function callOf(version: number, requestBytes: number): Refused {
  const call = {
    door: { elements: new ClusterShares(1_000), advertised: new Advertised('h', 1), context: suspended },
    context: suspended,
    fetchSessions: suspended,
    principal: { tenantId: 't', clusterId, keyId: 'k' },
    cancellation: new Cancellation(),
    clientId: 'c',
    clientHost: '/1',
    requestBytes,
    version,
    elementsMax: 1_000,
    delayMs: 0,
    code: undefined as number | undefined,
    charge: () => undefined,
    refused: ({ errorCode }: Refusal) => void (call.code = errorCode),
  };
  return call as unknown as Refused;
}

/** The codes of the parts of a response. */
function codesIn(value: unknown, isPart = false): unknown[] {
  if (Array.isArray(value)) return value.flatMap((each) => codesIn(each, true));
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return [];
  return Object.entries(value).flatMap(([name, of]) => (name === 'errorCode' && isPart ? [of] : codesIn(of, isPart)));
}

async function answer(served: TenantApi, version: number, request: unknown): Promise<void> {
  const { key } = served;
  const frame = Buffer.concat(encodeRequest(key, version, 1, 'client', request as RequestOf<typeof key>));
  const call = callOf(version, frame.length);
  const { bodyAt } = decodeRequestHeader(frame);
  let parts: Served;
  try {
    parts = await served.serve(call, frame, bodyAt, 1);
  } catch (error) {
    if (!(error instanceof UnacknowledgedFailed)) throw error;
  }
  if (!parts) return;
  const frameOut = Buffer.concat(parts);
  expect(frameOut.includes(`${clusterId}.`)).toBe(false);
  const codes = codesIn(decodeResponse(key, version, frameOut));
  if (call.code !== undefined && codes.length > 0) expect(codes).toContain(call.code);
}

const tenants = [...apis.values()].filter((served) => !served.open);

it.each(tenants.map((served) => [served.key, served] as const))('of API %i', async (key, served) => {
  for (let version = served.from; version <= served.to; version++) {
    const requests = messageArbitrary(apiByKey.get(key)!.request, version);
    await fc.assert(
      fc.asyncProperty(requests, (request) => answer(served, version, request)),
      { numRuns: 3 },
    );
  }
});
