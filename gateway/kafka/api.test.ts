import { expect, it } from 'vitest';
import { systemClock } from '../../engine/kernel/clock.ts';
import { apiByKey, type RequestOf } from '../../engine/protocol/apis.ts';
import { decodeRequestHeader, decodeResponse, encodeRequest } from '../../engine/protocol/headers.ts';
import { make } from '../../engine/protocol/make.ts';
import { ClusterShares } from '../cluster-shares.ts';
import { FairTurns } from '../fair-turns.ts';
import { api, type Call } from './api.ts';

const version = 2;

function callOf(elements: ClusterShares): Call {
  const call: Partial<Call> = {
    door: { elements } as unknown as Call['door'],
    context: { clock: systemClock, turns: new FairTurns(systemClock, 4) } as Call['context'],
    principal: { clusterId: 'c' } as Call['principal'],
    version,
    elementsMax: 1_000_000,
    delayMs: 0,
    charge: () => undefined,
    throttle: () => undefined,
    refused: () => undefined,
  };
  return call as Call;
}

function frameOf(groups: number): { readonly frame: Buffer; readonly bodyAt: number } {
  const names = Array.from({ length: groups }, (_, i) => `g${i}`);
  const request = make(apiByKey.get(42)!.request, { groupsNames: names } as never) as RequestOf<42>;
  const frame = Buffer.concat(encodeRequest(42, version, 1, 'client', request));
  return { frame, bodyAt: decodeRequestHeader(frame).bodyAt };
}

/** A DeleteGroups that finishes at once: reports when it ran and answers the number of groups, or a refusal's code. */
const deletion = (done: () => void, queues = true) =>
  api(
    42,
    { from: 0, to: 2, queues },
    (_call, { groupsNames }) => {
      done();
      return { throttleTimeMs: groupsNames.length, results: [] };
    },
    (_request, { errorCode }) => ({ throttleTimeMs: -errorCode, results: [] }),
  );

const answered = (parts: Uint8Array[] | undefined): number =>
  decodeResponse(42, version, Buffer.concat(parts!)).throttleTimeMs;

it('handles a request of many elements over several turns, and a small one at once', async () => {
  const elements = new ClusterShares(100_000);
  const call = callOf(elements);
  let isDone = false;
  const served = deletion(() => (isDone = true));
  const small = frameOf(10);
  expect(answered(served.serve(call, small.frame, small.bodyAt, 1) as Uint8Array[])).toBe(10);
  isDone = false;
  const large = frameOf(3_000);
  const answer = served.serve(call, large.frame, large.bodyAt, 1);
  expect(isDone).toBe(false);
  expect(elements.heldBy('c')).toBe(3_000);
  expect(answered(await answer)).toBe(3_000);
  expect(elements.heldBy('c')).toBe(0);
});

it('keeps the order of requests where it matters', () => {
  let isDone = false;
  const large = frameOf(3_000);
  void deletion(() => (isDone = true), false).serve(callOf(new ClusterShares(100_000)), large.frame, large.bodyAt, 1);
  expect(isDone).toBe(true);
});

it('refuses a request while others of its cluster name as much as allowed, and accepts it once they are answered', async () => {
  const elements = new ClusterShares(10_000);
  const served = deletion(() => undefined);
  const large = frameOf(3_000);
  const serve = async (): Promise<number> =>
    answered(await served.serve(callOf(elements), large.frame, large.bodyAt, 1));
  const [first, second] = await Promise.all([serve(), serve()]);
  expect(first).toBe(3_000);
  expect(second).toBeLessThan(0);
  expect(await serve()).toBe(3_000);
});
