/** The checks before every route of a tenant: who calls, whether the cluster serves, whether its request rate allows it. */
import type { Lanes } from '../../engine/kernel/lanes.ts';
import type { Principal } from '../../tenancy/tenancy.ts';
import { admitRequest, heldBackMs } from '../operations/admit.ts';
import type { RecordProducer } from '../operations/produce.ts';
import type { RecordChunk } from '../operations/records-to-json.ts';
import type { SharedChunks } from '../operations/shared-chunks.ts';
import type { GatewayContext } from '../context.ts';
import type { BodyMemory } from './body-memory.ts';
import type { Credentials } from './credentials.ts';
import type { KeyHolders } from './key-holders.ts';
import { type KnownQuery, noQuery, refuseUnknownQuery } from './known-query.ts';
import { replyFailure } from './reply-problem.ts';
import type { TurnTime } from '../turn-time.ts';
import type { HttpExchange, HttpHandler } from './servers/server.ts';
import type { HttpDoorSettings } from './settings.ts';

/** What every route is built from. */
export interface DoorParts {
  readonly context: GatewayContext;
  readonly settings: HttpDoorSettings;
  readonly producer: RecordProducer;
  readonly credentials: Credentials;
  readonly holders: KeyHolders;
  readonly turn: TurnTime;
  readonly bodyMemory: BodyMemory;
  /** Of event streams in step. */
  readonly events: SharedChunks<RecordChunk>;
  /** For answers built over several turns. */
  readonly largeAnswers: Lanes;
}

export type TenantHandler = (exchange: HttpExchange, principal: Principal) => void | Promise<void>;

/**
 * Runs `handler` at once, in its cluster's share of a later turn, or after the delay that the cluster's request rate
 * imposes. `query`: what the route takes. `begins`: whether the work is in the handler, or only when it has the body.
 */
export function guard(
  parts: DoorParts,
  handler: TenantHandler,
  query: KnownQuery = noQuery,
  begins: 'at-once' | 'with-body' = 'at-once',
): HttpHandler {
  const { context, credentials, turn } = parts;
  const { turns } = context;
  const isShared = begins === 'at-once';
  const run: TenantHandler = (exchange, principal) => {
    refuseUnknownQuery(exchange, query);
    return handler(exchange, principal);
  };
  return (exchange) => {
    const principal = credentials.ofHeader(exchange.header('authorization'));
    exchange.knownAs(principal.clusterId);
    const { clusterId } = principal;
    const nowMs = turn.nowMs();
    const verdict = admitRequest(context, principal, nowMs);
    if (verdict.quota === undefined) {
      if (!isShared || turns.mayBeginSmall(clusterId, nowMs)) return run(exchange, principal);
      turns.later(clusterId, () => {
        if (!exchange.aborted) settle(context, exchange, () => run(exchange, principal));
      });
      return undefined;
    }
    const delayMs = heldBackMs(context, clusterId, verdict);
    context.clock.after(delayMs, () => settle(context, exchange, () => run(exchange, principal)));
    return undefined;
  };
}

/** Whether a small body may be taken now; if not, keepForTurn takes it later. */
export function mayTakeNow({ context, turn }: DoorParts, clusterId: string): boolean {
  return context.turns.mayBeginSmall(clusterId, turn.nowMs());
}

/** Keeps a body until its cluster has a share of a turn. Throws Overloaded. */
export function keepForTurn(
  { context, bodyMemory }: DoorParts,
  exchange: HttpExchange,
  clusterId: string,
  body: Uint8Array,
  take: (kept: Buffer) => void,
): void {
  const { length } = body;
  if (!bodyMemory.tryTake(clusterId, length)) throw bodyMemory.refusal(clusterId, length);
  // It may be lent for this call only.
  const kept = Buffer.from(body);
  context.turns.later(clusterId, () => {
    bodyMemory.give(clusterId, length);
    if (!exchange.aborted) settle(context, exchange, () => take(kept));
  });
}

/** Runs the later-turn work of an exchange, so that none of its failures is lost. */
export function settle(context: GatewayContext, exchange: HttpExchange, run: () => void | Promise<void>): void {
  try {
    const pending = run();
    if (pending) pending.catch((error: unknown) => replyFailure(context, exchange, error));
  } catch (error) {
    replyFailure(context, exchange, error);
  }
}
