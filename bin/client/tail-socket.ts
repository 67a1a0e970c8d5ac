/** One WebSocket connection of `headgate tail`, from the handshake to its end, which it reports as what to do next. */
import { type Timer, systemClock } from '../../engine/kernel/clock.ts';
import { parseKeepingNumbers } from '../../gateway/operations/long-numbers.ts';
import { type Endpoint, unreachable, urlOf } from './api-client.ts';
import type { CliContext } from '../cli-context.ts';
import type { ExitName } from '../command-failure.ts';
import type { DoorMessage } from '../commands/tail.ts';

export interface Ended {
  readonly mayReconnect: boolean;
  readonly reason: string;
  readonly exit: ExitName;
  readonly reconnectAfterMs?: number;
}

/** A side that is silent for two of these counts as dead. */
const pingIntervalMs = 15_000;

/** Close codes of the door after which reconnecting cannot help. */
const finalCodes: ReadonlyMap<number, ExitName> = new Map([
  [4400, 'failed'],
  [4401, 'denied'],
  [4403, 'denied'],
]);

/** Resolves when the connection has ended; `take` is awaited, and the socket is not read meanwhile. */
export async function openSocket(
  cli: CliContext,
  endpoint: Endpoint,
  subscribe: object,
  take: (message: DoorMessage) => Promise<boolean>,
): Promise<Ended> {
  // Loaded here: no other command needs it, and a broker process starts through the same program.
  const { WebSocket } = await import('ws');
  const url = urlOf(endpoint.address.replace(/^http/, 'ws'), '/v1/ws', {});
  const socket = new WebSocket(url, ['headgate.v1.json'], { headers: { Authorization: `Bearer ${endpoint.key}` } });
  return new Promise((resolve) => {
    let ended: Ended | undefined;
    let taking: Promise<void> = Promise.resolve();
    const end = (how: Ended): void => {
      ended ??= how;
      socket.close();
    };
    const alive = keepAlive(socket);
    const onAbort = (): void => socket.terminate();
    cli.signal.addEventListener('abort', onAbort, { once: true });
    socket.on('open', () => socket.send(JSON.stringify(subscribe)));
    socket.on('message', (data) => {
      socket.pause();
      taking = taking.then(async () => {
        if (!ended) {
          const message = parseKeepingNumbers(String(data)) as DoorMessage & { readonly reconnect_after_ms?: number };
          const refused = endOf(message);
          if (refused) end(refused);
          else if (!(await take(message))) end({ mayReconnect: false, reason: 'enough', exit: 'ok' });
        }
        socket.resume();
      });
      taking.catch((error: unknown) => {
        end({ mayReconnect: false, reason: error instanceof Error ? error.message : String(error), exit: 'failed' });
        socket.resume();
      });
    });
    socket.on('unexpected-response', (_, response) => {
      ended ??= refusedUpgrade(endpoint, response.statusCode ?? 0);
      socket.terminate();
    });
    socket.on('error', (error) => {
      const { message } = unreachable(endpoint, error);
      ended ??= { mayReconnect: true, reason: message, exit: 'unreachable' };
    });
    socket.on('close', (code, reason) => {
      alive.cancel();
      cli.signal.removeEventListener('abort', onAbort);
      const settled = (): void => resolve(ended ?? closedBy(endpoint, code, String(reason)));
      // Print received records before the cursor decides where to continue.
      taking.then(settled, settled);
    });
  });
}

/** A message that ends the subscription. */
function endOf(message: DoorMessage & { readonly reconnect_after_ms?: number }): Ended | undefined {
  if (message.error) {
    const { detail = 'the subscription was refused', code, retryable } = message.error;
    const exit = code === 'not-found' ? 'notFound' : code === 'forbidden' ? 'denied' : 'failed';
    return { mayReconnect: retryable === true, reason: detail, exit };
  }
  if (message.event !== 'goaway') return undefined;
  return {
    mayReconnect: true,
    reason: 'the server is going away',
    exit: 'retry',
    ...(message.reconnect_after_ms !== undefined && { reconnectAfterMs: message.reconnect_after_ms }),
  };
}

function refusedUpgrade({ address, addressNames, keyNames }: Endpoint, status: number): Ended {
  if (status === 401) {
    return { mayReconnect: false, reason: `${address} does not accept the key: check ${keyNames}`, exit: 'denied' };
  }
  if (status === 404) {
    const reason = `${address} is another server: is the port right? ${addressNames} sets the address`;
    return { mayReconnect: false, reason, exit: 'unreachable' };
  }
  const mayReconnect = status === 429 || status >= 500;
  return {
    mayReconnect,
    reason: `${address} refuses the WebSocket with HTTP ${status}`,
    exit: mayReconnect ? 'retry' : 'failed',
  };
}

function closedBy({ keyNames }: Endpoint, code: number, reason: string): Ended {
  const exit = finalCodes.get(code);
  const advice = code === 4401 ? `; check ${keyNames}` : '';
  const told = `the connection ended (${code}${reason && `, ${reason}`})${advice}`;
  return { mayReconnect: exit === undefined, reason: told, exit: exit ?? 'retry' };
}

interface Pinged {
  ping(): void;
  terminate(): void;
  on(event: 'pong' | 'ping' | 'message' | 'open', listener: () => void): unknown;
}

function keepAlive(socket: Pinged): { cancel(): void } {
  let heard = true;
  let isOpen = false;
  let timer: Timer;
  const hear = (): void => void (heard = true);
  for (const event of ['pong', 'ping', 'message'] as const) socket.on(event, hear);
  socket.on('open', () => void (isOpen = true));
  const look = (): void => {
    if (!heard) return socket.terminate();
    heard = false;
    if (isOpen) socket.ping();
    timer = systemClock.after(pingIntervalMs, look);
  };
  timer = systemClock.after(pingIntervalMs, look);
  return { cancel: () => timer.cancel() };
}
