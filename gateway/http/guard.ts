/** The checks before every route of a tenant: who calls, whether the cluster serves, whether its request rate allows it. */
import type { Lanes } from '../../engine/kernel/lanes.ts';
import type { Principal } from '../../tenancy/tenancy.ts';
import { admitRequest, heldBackMs } from '../operations/admit.ts';
import type { RecordProducer } from '../operations/produce.ts';
import type { GatewayContext } from '../context.ts';
import type { FairTurns } from '../fair-turns.ts';
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
  readonly turns: FairTurns;
  readonly bodyMemory: BodyMemory;
  /** For answers built over several turns. */
  readonly largeAnswers: Lanes;
}

export type TenantHandler = (exchange: HttpExchange, principal: Principal) => void | Promise<void>;

/** Runs `handler` at once, or after the delay that the cluster's request rate imposes. `query`: what the route takes. */
export function guard(parts: DoorParts, handler: TenantHandler, query: KnownQuery = noQuery): HttpHandler {
  const { context, credentials, turn } = parts;
  const run: TenantHandler = (exchange, principal) => {
    refuseUnknownQuery(exchange, query);
    return handler(exchange, principal);
  };
  return (exchange) => {
    const principal = credentials.ofHeader(exchange.header('authorization'));
    exchange.knownAs(principal.clusterId);
    const verdict = admitRequest(context, principal, turn.nowMs());
    if (verdict.quota === undefined) return run(exchange, principal);
    const delayMs = heldBackMs(context, principal.clusterId, verdict);
    context.clock.after(delayMs, () => settle(context, exchange, () => run(exchange, principal)));
    return undefined;
  };
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
