/**
 * Turns one request frame into one answer: checks that it is known, allowed in this session and paid for, then calls its
 * API. Throws (or rejects with) a Failure when the connection cannot continue: bytes that are not a request, unserved
 * versions, requests before authentication. Everything else is answered in the API's own form.
 */
import { type ApiKey, apiByKey, apiKey as keys } from '../../engine/protocol/apis.ts';
import type { Cancellation } from '../../engine/kernel/cancellation.ts';
import { Failure } from '../../engine/kernel/failure.ts';
import type { SharedFrame } from '../../engine/kernel/frame-pool.ts';
import { errorCode, errorName } from '../../engine/protocol/error-codes.ts';
import { decodeRequestHeader, encodeResponse, type RequestHeader } from '../../engine/protocol/headers.ts';
import { UnsupportedVersion } from '../../engine/protocol/unsupported-version.ts';
import { isServed, servedVersions } from '../../engine/protocol/versions.ts';
import type { Principal, Verdict } from '../../tenancy/tenancy.ts';
import type { Durations } from '../durations.ts';
import { longer, noDelay } from '../operations/admit.ts';
import type { Call, Door, KafkaApi, OpenCall, Served } from './api.ts';
import { apis } from './apis.ts';
import type { Refusal } from './failures.ts';
import type { FetchSessions } from './fetch-sessions.ts';
import { heavyFrameBytesMin } from './debt-queue.ts';
import type { Beside } from './in-order.ts';
import type { Login, LoginResult } from './session.ts';
import { elementsMaxOf, elementsMin } from '../weight.ts';

/** What a request needs of its connection. */
export interface Caller {
  readonly door: Door;
  readonly login: Login;
  readonly clientHost: string;
  readonly cancellation: Cancellation;
  readonly fetchSessions: FetchSessions;
}

export interface Dispatched {
  readonly parts: Served;
  /** How long to mute the connection once the answer is sent, and for which limit. */
  readonly verdict: Verdict;
  /** Nothing reads the frame any more. */
  readonly frameIsFree: boolean;
  /** The frames that the parts are views of, to be released when the parts are with the kernel. */
  readonly answerFrames: readonly SharedFrame[] | undefined;
}

/** A request before authentication, or for a cluster that no longer serves: the connection ends without an answer. */
export class SessionNotReady extends Failure {
  readonly code = 'unauthenticated';
}

/** Before authentication requests run one after the other. */
export function besideOf(login: Login, frame: Buffer): Beside {
  if (login.session.state !== 'ready' || frame.length < 2) return 'alone';
  return apis.get(frame.readInt16BE(0))?.beside ?? 'alone';
}

/** `receivedMs`: when the frame was complete, on the monotonic clock. */
export function dispatch(caller: Caller, frame: Buffer, receivedMs: number): Promise<Dispatched> | Dispatched {
  const { login } = caller;
  if (login.session.state === 'raw-token') {
    const parts = rawToken(login, frame);
    return parts instanceof Promise ? parts.then((told) => ({ parts: told, ...atOnce })) : { parts, ...atOnce };
  }
  caller.door.context.traffic.requests.kafka++;
  const header = decodeRequestHeader(frame);
  const served = apis.get(header.apiKey);
  if (!served || !isServed(header.apiKey, header.apiVersion)) return { parts: unserved(header), ...atOnce };
  const call = new RequestCall(caller, header, frame.length, receivedMs);
  const result = serve(caller, served, call, header, frame);
  if (!(result instanceof Promise)) return call.answered(result);
  return result.then((parts) => call.answered(parts));
}

const atOnce = { verdict: noDelay, frameIsFree: false, answerFrames: undefined };

function serve(
  { door, login }: Caller,
  served: KafkaApi,
  call: RequestCall,
  header: RequestHeader,
  frame: Buffer,
): Promise<Served> | Served {
  const { context } = door;
  const { session } = login;
  if (session.state !== 'ready') {
    if (!served.open) throw new SessionNotReady(`API ${header.apiKey} before authentication`);
    return served.serve(call, frame, header.bodyAt, header.correlationId);
  }
  const { clusterId } = session.principal;
  if (context.tenancy.cluster(clusterId)?.state !== 'serving')
    throw new SessionNotReady('the cluster is not in service');
  const begin = (): Promise<Served> | Served => {
    if (served.charge === 'held') call.charge(1);
    else if (served.charge === 'counted') context.tenancy.limiter.request(clusterId, context.clock.monotonicMs());
    return served.open
      ? served.serve(call, frame, header.bodyAt, header.correlationId)
      : served.serve(call, frame, header.bodyAt, header.correlationId);
  };
  if (!served.queues || frame.length < heavyFrameBytesMin) return begin();
  const turn = door.debtQueue.turnOf(clusterId);
  if (!turn) return begin();
  return turn.then(() => {
    if (login.session.state !== 'ready') throw new SessionNotReady('the session has ended');
    return begin();
  });
}

/** The exchange after SaslHandshake v0: an empty frame means success, the end of the connection failure. */
function rawToken(login: Login, frame: Buffer): Promise<Served> | Served {
  const result = login.authenticate(frame);
  const told = ({ ok }: LoginResult): Served => (ok ? [] : undefined);
  return result instanceof Promise ? result.then(told) : told(result);
}

/**
 * KIP-511: an ApiVersions that is too new for us is answered in the oldest version, with our range, and the client falls
 * back to it. A client could read no other answer, so otherwise the connection ends.
 */
function unserved({ apiKey, apiVersion, correlationId }: RequestHeader): Served {
  const own = servedVersions.get(keys.apiVersions)!;
  if (apiKey !== own.key || apiVersion <= own.max) {
    throw new UnsupportedVersion(`API ${apiKey} version ${apiVersion} is not served`);
  }
  return encodeResponse(own.key, 0, correlationId, {
    errorCode: errorCode.unsupportedVersion,
    apiKeys: [{ apiKey: own.key, minVersion: own.min, maxVersion: own.max }],
    throttleTimeMs: 0,
    supportedFeatures: [],
    finalizedFeaturesEpoch: -1,
    finalizedFeatures: [],
    zkMigrationReady: false,
  });
}

class RequestCall implements Call, OpenCall {
  readonly door: Door;
  readonly login: Login;
  readonly version: number;
  readonly clientId: string;
  readonly clientHost: string;
  readonly requestBytes: number;
  readonly #caller: Caller;
  readonly #apiKey: ApiKey;
  readonly #receivedMs: number;
  #verdict = noDelay;
  frameIsFree = false;
  answerFrames: readonly SharedFrame[] | undefined;

  constructor(caller: Caller, header: RequestHeader, requestBytes: number, receivedMs: number) {
    this.door = caller.door;
    this.login = caller.login;
    this.version = header.apiVersion;
    this.clientId = header.clientId ?? '';
    this.clientHost = caller.clientHost;
    this.requestBytes = requestBytes;
    this.#caller = caller;
    this.#apiKey = header.apiKey as ApiKey;
    this.#receivedMs = receivedMs;
  }

  // Getters: the connection creates these on first use.
  get cancellation(): Cancellation {
    return this.#caller.cancellation;
  }

  get fetchSessions(): FetchSessions {
    return this.#caller.fetchSessions;
  }

  get context(): Door['context'] {
    return this.door.context;
  }

  get principal(): Principal {
    const { session } = this.login;
    // A key can be revoked while its request is in flight; a request that was allowed at its start may finish, but its
    // answer goes nowhere.
    if (session.state !== 'ready') throw new SessionNotReady('the session has ended');
    return session.principal;
  }

  get elementsMax(): number {
    // No element is smaller than a byte.
    if (this.requestBytes < elementsMin) return elementsMin;
    return elementsMaxOf(this.context.tenancy.cluster(this.principal.clusterId)?.limits);
  }

  charge(requests: number): void {
    if (requests === 0) return;
    const { tenancy, clock } = this.context;
    const { clusterId } = this.principal;
    this.throttle(tenancy.limiter.request(clusterId, clock.monotonicMs(), requests));
  }

  answered(parts: Served): Dispatched {
    const { frameIsFree, answerFrames, door } = this;
    durationsOf(door, this.#apiKey).record(door.turn.nowMs() - this.#receivedMs);
    return { parts, verdict: this.#verdict, frameIsFree, answerFrames };
  }

  get delayMs(): number {
    return this.#verdict.delayMs;
  }

  refused(refusal: Refusal): void {
    const { traffic } = this.context;
    traffic.refused('kafka', errorName(refusal.errorCode));
    if (refusal.quota !== undefined) traffic.limited('kafka', refusal.quota);
    this.throttle(refusal);
  }

  throttle(verdict: Verdict): void {
    const longest = longer(this.#verdict, verdict);
    const { throttleMsMax } = this.door.settings;
    this.#verdict = longest.delayMs > throttleMsMax ? { ...longest, delayMs: throttleMsMax } : longest;
  }
}

/** Looking for the API's name each time would cost more than recording. */
function durationsOf({ durations, context }: Door, key: ApiKey): Durations {
  let known = durations.get(key);
  if (!known) durations.set(key, (known = context.traffic.durations('kafka', apiByKey.get(key)!.name)));
  return known;
}
