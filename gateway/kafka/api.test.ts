import { expect, it } from 'vitest';
import { systemClock } from '../../engine/kernel/clock.ts';
import { apiByKey, type RequestOf } from '../../engine/protocol/apis.ts';
import { decodeRequestHeader, decodeResponse, encodeRequest } from '../../engine/protocol/headers.ts';
import { make } from '../../engine/protocol/make.ts';
import { ClusterShares } from '../cluster-shares.ts';
import { api, type Call } from './api.ts';

const version = 2;

function callOf(elements: ClusterShares): Call {
  const call: Partial<Call> = {
    door: { elements } as Call['door'],
    context: { clock: systemClock } as Call['context'],
    principal: { clusterId: 'c' } as Call['principal'],
    version,
    elementsMax: 1_000_000,
    delayMs: 0,
    charge: () => undefined,
    throttle: () => undefined,
  };
  return call as Call;
}

function frameOf(groups: number): { readonly frame: Buffer; readonly bodyAt: number } {
  const names = Array.from({ length: groups }, (_, i) => `g${i}`);
  const request = make(apiByKey.get(42)!.request, { groupsNames: names } as never) as RequestOf<42>;
  const frame = Buffer.concat(encodeRequest(42, version, 1, 'client', request));
  return { frame, bodyAt: decodeRequestHeader(frame).bodyAt };
}

/** DeleteGroups whose work is over at once; tells when it was done and answers how many there were, or the code of a refusal. */
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

it('what a request of many elements takes is done over several turns, a small one is done at once', async () => {
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

it('keeps the order in which requests came where that matters', () => {
  let isDone = false;
  const large = frameOf(3_000);
  void deletion(() => (isDone = true), false).serve(callOf(new ClusterShares(100_000)), large.frame, large.bodyAt, 1);
  expect(isDone).toBe(true);
});

it('is refused beside others of its cluster that name as much as they may together, and taken when they are answered', async () => {
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
