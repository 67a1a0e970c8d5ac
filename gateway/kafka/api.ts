/**
 * The contract of a file in api/: one API key with its versions, how it runs beside other requests on a connection, how it
 * is charged, and two functions. One answers a request, the other turns a failure into the API's own answer.
 */
import type { Cancellation } from '../../engine/kernel/cancellation.ts';
import { Failure, Overloaded } from '../../engine/kernel/failure.ts';
import type { Lanes } from '../../engine/kernel/lanes.ts';
import { type ApiKey, apiByKey, type RequestOf, type ResponseOf } from '../../engine/protocol/apis.ts';
import type { SharedFrame } from '../../engine/kernel/frame-pool.ts';
import { errorName } from '../../engine/protocol/error-codes.ts';
import { decodeRequest, elementsDecoded, encodeResponse, errorsEncoded } from '../../engine/protocol/headers.ts';
import type { Principal, Verdict } from '../../tenancy/tenancy.ts';
import type { ClusterShares } from '../cluster-shares.ts';
import type { GatewayContext } from '../context.ts';
import type { Durations } from '../durations.ts';
import type { TurnTime } from '../turn-time.ts';
import type { Advertised } from './advertised.ts';
import type { DebtQueue } from './debt-queue.ts';
import { type Refusal, refusalOf } from './failures.ts';
import type { FetchSessions } from './fetch-sessions.ts';
import type { GroupCounts } from './group-counts.ts';
import type { Beside } from './in-order.ts';
import type { Login } from './session.ts';
import type { OutboxBudget } from './outbox-budget.ts';
import type { ReceiveBudget } from './receive-budget.ts';
import type { KafkaDoorSettings } from './settings.ts';
import { requestsBeside } from '../weight.ts';

/** State shared by the connections to one port. */
export interface Door {
  /** The virtual broker of this port; undefined: the port stands for all of them. */
  readonly nodeId: number | undefined;
  readonly context: GatewayContext;
  readonly settings: KafkaDoorSettings;
  readonly advertised: Advertised;
  readonly groupCounts: GroupCounts;
  readonly receiveBudget: ReceiveBudget;
  readonly outboxBudget: OutboxBudget;
  /** Partitions in the fetch sessions of all connections. */
  readonly remembered: ClusterShares;
  /** Partitions at which requests wait. */
  readonly awaited: ClusterShares;
  /** Elements of large requests that are not answered yet. */
  readonly elements: ClusterShares;
  /** For answers built over several turns. */
  readonly largeAnswers: Lanes;
  /**
   * Limits DescribeLogDirs of many partitions too, in lanes of its own, because those requests wait for the owners of logs.
   */
  readonly manySizes: Lanes;
  readonly debtQueue: DebtQueue;
  readonly turn: TurnTime;
  /** Of the APIs that were asked. */
  readonly durations: Map<ApiKey, Durations>;
}

/** One request under way, before or after authentication. */
export interface OpenCall {
  readonly door: Door;
  readonly context: GatewayContext;
  readonly login: Login;
  readonly version: number;
  /** Sent in the answer, and the connection is muted for it; when set several times, the longest counts. */
  throttle(verdict: Verdict): void;
  /** Counts what was refused, and holds the client back as it says. */
  refused(refusal: Refusal): void;
  readonly delayMs: number;
  /** Set when nothing reads the request's frame once it is answered: its memory is then reused for another frame. */
  frameIsFree: boolean;
  /**
   * Set for a response whose byte fields are views of these frames; they are released when the answer is with the kernel.
   */
  answerFrames: readonly SharedFrame[] | undefined;
}

export interface Call extends OpenCall {
  readonly principal: Principal;
  readonly clientId: string;
  /** The real peer, as Kafka prints it: '/10.0.0.7'. */
  readonly clientHost: string;
  readonly requestBytes: number;
  /** The number of elements in all its arrays. */
  readonly elementsMax: number;
  /** Charges the request as this many further requests (weight.ts), and mutes the connection for them. */
  charge(requests: number): void;
  /** Aborted when the connection ends: long polls stop. */
  readonly cancellation: Cancellation;
  readonly fetchSessions: FetchSessions;
}

/** A failure that no answer can hold, because the client wants none: its connection ends. */
export class Unanswerable extends Failure {
  readonly code = 'invalid-request';
}

/** Parts of a frame; undefined: no answer. */
export type Served = Uint8Array[] | undefined;

interface ApiBase {
  readonly key: ApiKey;
  readonly from: number;
  readonly to: number;
  readonly beside: Beside;
  /**
   * How the request counts against requestsPerSecondMax. 'held': the connection is muted for the delay. 'counted': it is
   * not muted, because a muted heartbeat would cost the member its group. 'own': the operation charges.
   */
  readonly charge: 'held' | 'counted' | 'own';
  /** Whether a large request waits for its cluster's debt (debt-queue.ts). */
  readonly queues: boolean;
}

export interface OpenApi extends ApiBase {
  readonly open: true;
  serve(call: OpenCall, frame: Buffer, bodyAt: number, correlationId: number): Promise<Served> | Served;
}

export interface TenantApi extends ApiBase {
  readonly open: false;
  serve(call: Call, frame: Buffer, bodyAt: number, correlationId: number): Promise<Served> | Served;
}

export type KafkaApi = OpenApi | TenantApi;

interface Traits {
  readonly from: number;
  readonly to: number;
  readonly beside?: Beside;
  readonly charge?: ApiBase['charge'];
  readonly queues?: boolean;
}

type Result<K extends ApiKey> = ResponseOf<K> | undefined | Promise<ResponseOf<K> | undefined>;

/** `refuse` is called when `handle` throws a Failure; Unanswerable and any other error end the connection. */
export function api<K extends ApiKey>(
  key: K,
  traits: Traits,
  handle: (call: Call, request: RequestOf<K>) => Result<K>,
  refuse: (request: RequestOf<K>, refusal: Refusal, call: Call) => ResponseOf<K> | undefined,
): TenantApi {
  return {
    key,
    beside: 'free',
    charge: 'held',
    queues: true,
    ...traits,
    open: false,
    serve(call, frame, bodyAt, correlationId) {
      const request = decodeRequest(key, call.version, frame, bodyAt, call.elementsMax);
      const elements = elementsDecoded();
      call.charge(requestsBeside(elements));
      const refused = (error: unknown): ResponseOf<K> | undefined => {
        if (error instanceof Unanswerable) throw error;
        const refusal = refusalOf(error, call.principal);
        call.refused(refusal);
        return refuse(request, refusal, call);
      };
      const answer = (): Result<K> => {
        try {
          const result = handle(call, request);
          return result instanceof Promise ? result.catch(refused) : result;
        } catch (error) {
          return refused(error);
        }
      };
      const told = (response: ResponseOf<K> | undefined): Served => encode(key, call, correlationId, response);
      if (elements > elementsPerTurnMax) return whileHeld(call, elements, this.queues, answer, refused, told);
      const result = answer();
      if (!(result instanceof Promise)) return told(result);
      const { clusterId } = call.principal;
      return result.then((response) => call.context.turns.goOn(clusterId, () => told(response)));
    },
  };
}

/** Some 5 ms of decoding, and of encoding the answer. */
const elementsPerTurnMax = 2_500;

/**
 * A request of many elements. They are counted until it is answered, and the large parts of its decoding, its work and its
 * answer get turns of their own. Not for requests that must begin in order of arrival (`mayWait`).
 */
async function whileHeld<R>(
  { door, context: { turns }, principal }: Call,
  elements: number,
  mayWait: boolean,
  answer: () => R | Promise<R>,
  refused: (error: unknown) => R,
  told: (response: R) => Served,
): Promise<Served> {
  const { clusterId } = principal;
  if (!door.elements.tryTake(clusterId, elements)) {
    return told(refused(new Overloaded('requests under way name as many things as they may together')));
  }
  try {
    const response = await (mayWait ? turns.complete(clusterId, answer) : answer());
    return await turns.complete(clusterId, () => told(response));
  } finally {
    door.elements.give(clusterId, elements);
  }
}

/** For requests allowed before authentication. */
export function openApi<K extends ApiKey>(
  key: K,
  traits: Traits,
  handle: (call: OpenCall, request: RequestOf<K>) => Promise<ResponseOf<K>> | ResponseOf<K>,
): OpenApi {
  return {
    key,
    beside: 'alone',
    charge: 'counted',
    queues: false,
    ...traits,
    open: true,
    serve(call, frame, bodyAt, correlationId) {
      const response = handle(call, decodeRequest(key, call.version, frame, bodyAt));
      if (!(response instanceof Promise)) return encode(key, call, correlationId, response);
      return response.then((told) => encode(key, call, correlationId, told));
    },
  };
}

function encode<K extends ApiKey>(
  key: K,
  call: OpenCall,
  correlationId: number,
  response: ResponseOf<K> | undefined,
): Served {
  if (response === undefined) return undefined;
  // All responses but those of SASL have the field; versions without it leave it out.
  if (call.delayMs > 0 && 'throttleTimeMs' in response) {
    (response as { throttleTimeMs: number }).throttleTimeMs = Math.ceil(call.delayMs);
  }
  const parts = encodeResponse(key, call.version, correlationId, response);
  const errors = errorsEncoded();
  if (errors.size > 0) countErrors(call, key, errors);
  return parts;
}

function countErrors({ context }: OpenCall, key: ApiKey, errors: ReadonlyMap<number, number>): void {
  const { name } = apiByKey.get(key)!;
  for (const [code, count] of errors) context.traffic.failedInside('kafka', name, errorName(code), count);
}
