/**
 * `/v1/ws`: who may open a WebSocket, and how all of them end. Credentials come as an Authorization header, as a
 * subprotocol entry `bearer.<API key>`, or as a one-use ?ticket=. A browser does not see the status of a refused upgrade.
 * So a client that used one of the latter two is let in and closed with the code that says why.
 */
import { type Failure, InvalidRequest } from '../../engine/kernel/failure.ts';
import { QuotaExceeded, Unauthenticated } from '../../tenancy/failures.ts';
import type { Principal } from '../../tenancy/tenancy.ts';
import { problemOf, problem } from '../http/failures.ts';
import { type DoorParts, guard } from '../http/guard.ts';
import { type KnownQuery, refuseUnknownQuery } from '../http/known-query.ts';
import { replyJson } from '../http/reply-headers.ts';
import { replyProblem } from '../http/reply-problem.ts';
import type { Route, UpgradeAnswer, UpgradeRequest, WebSocketPeer, WebSocketSession } from '../http/servers/server.ts';
import { admitConnection } from '../operations/admit.ts';
import { servingCluster, whyStopped } from '../operations/topics.ts';
import { type CloseCode, closeCodes } from './close-codes.ts';
import { Flushes } from './flushes.ts';
import { Session } from './session.ts';
import type { SessionParts } from './session-parts.ts';
import { SharedFrames } from './shared-frames.ts';
import { websocketDefaults, type WebSocketSettings } from './settings.ts';
import { Tickets } from './tickets.ts';

const path = '/v1/ws';
const protocols = ['headgate.v1.json', 'headgate.v1.bin'] as const;
const bearerPrefix = 'bearer.';
/** What is read, and from where, is said in commands. */
const ticketOnly: KnownQuery = { names: ['ticket'] };

export class WebSocketDoor {
  readonly #parts: DoorParts;
  readonly #sessionParts: SessionParts;
  readonly #tickets: Tickets;
  readonly #sessions = new Set<Session>();
  #isLeaving = false;

  constructor(parts: DoorParts, settings: Partial<WebSocketSettings> = {}) {
    this.#parts = parts;
    this.#tickets = new Tickets(parts.context, parts.settings);
    const all = { ...websocketDefaults, ...settings };
    this.#sessionParts = {
      context: parts.context,
      producer: parts.producer,
      turn: parts.turn,
      settings: all,
      messageBytesMax: parts.settings.websocketMessageBytesMax,
      frames: new SharedFrames(all.frameLengthTarget),
      flushes: new Flushes(parts.context.clock, parts.context.turns),
      bodyMemory: parts.bodyMemory,
    };
  }

  routes(): Route[] {
    return [
      {
        method: 'GET',
        pattern: path,
        handler: (exchange) =>
          replyProblem(exchange, problem('upgrade-required', `${path} is a WebSocket endpoint`), [
            ['upgrade', 'websocket'],
          ]),
      },
      {
        method: 'POST',
        pattern: '/v1/ws-tickets',
        handler: guard(this.#parts, async (exchange, principal) => {
          const ticket = await this.#tickets.issue(principal);
          replyJson(exchange, 201, { ticket, expires_in_ms: this.#parts.settings.ticketMs });
        }),
      },
    ];
  }

  /** Answers that clients are still waiting for. */
  get underWay(): number {
    let count = 0;
    for (const session of this.#sessions) count += session.underWay;
    return count;
  }

  leave(): void {
    this.#isLeaving = true;
    for (const session of this.#sessions) session.leave();
  }

  closeAll(): void {
    for (const session of this.#sessions) session.close(closeCodes.goingAway);
  }

  async upgrade(request: UpgradeRequest): Promise<UpgradeAnswer> {
    if (request.path !== path) return refusal(problem('not-found', `there is no WebSocket at ${request.path}`));
    if (this.#isLeaving) return refusal(problem('shutting-down', 'this gateway is stopping'));
    const offered = request.protocols.filter((name) => !name.startsWith(bearerPrefix));
    // In the client's order, which is its preference (RFC 6455 §4.1).
    const protocol = offered.find((name) => protocols.some((known) => known === name));
    if (offered.length > 0 && protocol === undefined) {
      return refusal(problem('invalid-request', `Sec-WebSocket-Protocol: use one of ${protocols.join(', ')}`));
    }
    const chosen = protocol === undefined ? {} : { protocol };
    const hasHeader = request.header('authorization') !== undefined;
    try {
      const principal = await this.#principalOf(request);
      servingCluster(this.#parts.context, principal);
      refuseUnknownQuery(request, ticketOnly);
      admitConnection(this.#parts.context, principal);
      return { accept: this.#open(principal, protocol === 'headgate.v1.bin'), ...chosen };
    } catch (error) {
      const answer = problemOf(error);
      const { traffic } = this.#parts.context;
      traffic.refused('websocket', answer.code);
      if (error instanceof QuotaExceeded) traffic.limited('websocket', error.quota);
      if (answer.code === 'internal') throw error;
      const isBrowser = !hasHeader && (request.protocols.length > 0 || request.query().has('ticket'));
      return isBrowser ? { accept: new RefusedSession(closeCodeOf(error as Failure)), ...chosen } : refusal(answer);
    }
  }

  async #principalOf(request: UpgradeRequest): Promise<Principal> {
    const { credentials } = this.#parts;
    const header = request.header('authorization');
    if (header !== undefined) return credentials.ofHeader(header);
    const bearer = request.protocols.find((name) => name.startsWith(bearerPrefix));
    if (bearer !== undefined) return credentials.ofKey(bearer.slice(bearerPrefix.length));
    const ticket = request.query().get('ticket');
    if (ticket === null) return credentials.ofHeader(undefined);
    return this.#tickets.redeem(ticket);
  }

  #open(principal: Principal, isBinary: boolean): Session {
    const { context, holders } = this.#parts;
    const session = new Session(this.#sessionParts, principal, isBinary, () => {
      release();
      this.#sessions.delete(session);
      context.tenancy.limiter.disconnect(principal.clusterId);
    });
    const release = holders.hold(principal.keyId, (reason) => {
      if (reason === 'revoked') session.close(closeCodeOf(whyStopped(context, principal)));
    });
    this.#sessions.add(session);
    return session;
  }
}

function refusal(answer: ReturnType<typeof problem>): UpgradeAnswer {
  const headers: [string, string][] = [['content-type', 'application/problem+json']];
  if (answer.status === 401) headers.push(['www-authenticate', 'Bearer realm="headgate", Basic realm="headgate"']);
  if (answer.retry_after_ms !== undefined)
    headers.push(['retry-after', String(Math.ceil(answer.retry_after_ms / 1000))]);
  return { refuse: answer.status, headers, body: JSON.stringify(answer) };
}

function closeCodeOf(error: Failure): CloseCode {
  if (error instanceof QuotaExceeded) return closeCodes.quota;
  if (error instanceof InvalidRequest) return closeCodes.unknownQuery;
  return error instanceof Unauthenticated ? closeCodes.unauthenticated : closeCodes.forbidden;
}

/** A client that is let in only to be told why it is refused. */
class RefusedSession implements WebSocketSession {
  readonly #why: CloseCode;
  constructor(why: CloseCode) {
    this.#why = why;
  }
  opened(peer: WebSocketPeer): void {
    peer.close(this.#why.code, this.#why.reason);
  }
  message(): void {}
  drained(): void {}
  ponged(): void {}
  closed(): void {}
}
