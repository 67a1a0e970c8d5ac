/**
 * The Kafka door: accepts connections, keeps track of them by API key, ends them when their key is revoked.
 *
 * Plain connections read into one receive buffer that all of them share (`onread`): a frame is copied out before the
 * callback returns, so the buffer is free again, and a thousand idle consumers cost no receive memory. The rest of a large
 * frame is received directly into its own buffer. Node offers `onread` only for outgoing sockets, so the accepted handle is
 * moved into a socket created with the option. Where that handle is not available, and under TLS, 'data' events do the same
 * work at a higher price.
 */
import { createServer, type Server, Socket, type SocketConstructorOpts } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Timer } from '../../engine/kernel/clock.ts';
import { framePool } from '../../engine/kernel/frame-pool.ts';
import { Lanes } from '../../engine/kernel/lanes.ts';
import { ClusterShares } from '../cluster-shares.ts';
import type { GatewayContext } from '../context.ts';
import { Entrance } from '../entrance.ts';
import { largeAnswersMax } from '../several-turns.ts';
import { followPair, type TlsSource } from '../tls-files.ts';
import { Advertised } from './advertised.ts';
import type { Door } from './api.ts';
import { TurnTime } from '../turn-time.ts';
import { DebtQueue } from './debt-queue.ts';
import { type ConnectionEvents, KafkaConnection } from './connection.ts';
import { GroupCounts } from './group-counts.ts';
import { OutboxBudget } from './outbox-budget.ts';
import { ReceiveBudget } from './receive-budget.ts';
import { kafkaDoorDefaults, type KafkaDoorSettings } from './settings.ts';

export interface KafkaDoorOptions {
  readonly context: GatewayContext;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** One for each virtual broker, 0 takes a free one; empty: `port` stands for all of them. */
  readonly brokerPorts?: readonly number[];
  /** Absent: plain TCP, for loopback and networks that encrypt themselves. */
  readonly tls?: TlsSource;
  readonly settings?: Partial<KafkaDoorSettings>;
}

export interface KafkaDoor {
  readonly port: number;
  /** The number of open connections. */
  connections(): number;
  /** Stops accepting, lets requests in flight finish for at most `graceMs`, then cuts the rest. */
  close(graceMs: number): Promise<void>;
}

const expiryIntervalMs = 1_000;
/** Longer than a busy broker's interval between roll-ups: in the same process, its released memory is needed until then. */
const trimIntervalMs = 10_000;

/**
 * Rejects when the address cannot be listened on. Clients are told the address in context.settings; port 0 there means our
 * port.
 */
export async function startKafkaDoor(options: KafkaDoorOptions): Promise<KafkaDoor> {
  const { context } = options;
  const settings = { ...kafkaDoorDefaults, ...options.settings };
  const listener = new Listener(context, settings, options.tls !== undefined);
  const servers: Server[] = [];
  const listenAs = async (nodeId: number | undefined, port: number): Promise<number> => {
    const accept: Accept = (socket) => listener.accept(socket, nodeId);
    const server = options.tls
      ? tlsServer(options.tls, settings, accept)
      : plainServer(settings, listener.receiveBuffer, accept);
    if (options.tls) listener.entrance.watch(server);
    servers.push(server);
    return listen(server, options.host, port);
  };
  const brokerPorts: number[] = [];
  let port: number;
  try {
    for (const [i, asked] of (options.brokerPorts ?? []).entries()) brokerPorts.push(await listenAs(i + 1, asked));
    // Last: a client admitted there is sent on to the other ports.
    port = await listenAs(undefined, options.port);
  } catch (error) {
    await listener.close(servers, 0);
    throw error;
  }
  const { advertisedHost, advertisedPort } = context.settings;
  listener.open({
    context,
    settings,
    advertised: new Advertised(advertisedHost, advertisedPort === 0 ? port : advertisedPort, brokerPorts),
    groupCounts: new GroupCounts(context.engine, context.clock),
    receiveBudget: new ReceiveBudget(settings.receiveBytesMax),
    outboxBudget: new OutboxBudget(settings.outboxesBytesMax, (host, bytes) =>
      context.log('kafka-slow-reader-ended', { host, bytes }),
    ),
    remembered: new ClusterShares(settings.rememberedPartitionsMax),
    elements: new ClusterShares(settings.elementsHeldMax),
    awaited: new ClusterShares(settings.awaitedPartitionsMax),
    largeAnswers: new Lanes(largeAnswersMax),
    manySizes: new Lanes(largeAnswersMax),
    debtQueue: new DebtQueue(context),
    turn: new TurnTime(context.clock),
    durations: new Map(),
  });
  return {
    port,
    connections: () => listener.connections.size,
    close: (graceMs) => listener.close(servers, graceMs),
  };
}

/** Undefined: refused, and the socket is gone. */
type Accept = (socket: Socket) => KafkaConnection | undefined;

class Listener implements ConnectionEvents {
  readonly connections = new Set<KafkaConnection>();
  readonly entrance: Entrance;
  readonly receiveBuffer: Buffer;
  readonly #context: GatewayContext;
  readonly #byKey = new Map<string, Set<KafkaConnection>>();
  readonly #stopListening: () => void;
  readonly #keyOf = new Map<KafkaConnection, string>();
  /** Under TLS sockets pass through it before they are connections: ahead of the handshake. */
  readonly #isWatched: boolean;
  /** By the virtual broker of the port. */
  readonly #doors = new Map<number | undefined, Door>();
  #expiry: Timer | undefined;
  #trimAtMs = 0;
  #onEmpty: (() => void) | undefined;

  constructor(context: GatewayContext, settings: KafkaDoorSettings, isWatched: boolean) {
    this.#context = context;
    this.#isWatched = isWatched;
    this.entrance = new Entrance(context.connections.kafka, context.random, settings.connectionsMax);
    this.receiveBuffer = Buffer.allocUnsafeSlow(settings.receiveBufferBytes);
    this.#stopListening = context.tenancy.access.onRevoked((keyId) => {
      for (const connection of this.#byKey.get(keyId) ?? []) connection.cut();
    });
  }

  open(shared: Omit<Door, 'nodeId'>): void {
    for (const nodeId of [undefined, ...shared.advertised.brokers.map((broker) => broker.nodeId)]) {
      this.#doors.set(nodeId, { ...shared, nodeId });
    }
    this.#scheduleExpiry();
  }

  /** Refuses connections that come before the door is open or exceed the limit. */
  accept(socket: Socket, nodeId: number | undefined): KafkaConnection | undefined {
    const door = this.#doors.get(nodeId);
    if (!door || (!this.#isWatched && !this.entrance.letIn(socket))) {
      socket.destroy();
      return undefined;
    }
    const connection = new KafkaConnection(door, socket, this);
    this.connections.add(connection);
    return connection;
  }

  ready(connection: KafkaConnection, { keyId }: { readonly keyId: string }): void {
    this.entrance.known(connection.socket);
    let sharing = this.#byKey.get(keyId);
    if (!sharing) this.#byKey.set(keyId, (sharing = new Set()));
    sharing.add(connection);
    this.#keyOf.set(connection, keyId);
  }

  closed(connection: KafkaConnection): void {
    this.connections.delete(connection);
    if (!this.#isWatched) this.entrance.gone(connection.socket);
    const keyId = this.#keyOf.get(connection);
    if (keyId !== undefined) {
      this.#keyOf.delete(connection);
      const sharing = this.#byKey.get(keyId);
      sharing?.delete(connection);
      if (sharing?.size === 0) this.#byKey.delete(keyId);
    }
    if (this.connections.size === 0) this.#onEmpty?.();
  }

  async close(servers: readonly Server[], graceMs: number): Promise<void> {
    this.#expiry?.cancel();
    this.#stopListening();
    const ended = Promise.all(servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))));
    this.entrance.cutShaking();
    const empty = new Promise<void>((resolve) => (this.#onEmpty = resolve));
    for (const connection of this.connections) connection.drain();
    if (this.connections.size > 0) {
      const timer = this.#context.clock.after(graceMs, () => {
        for (const connection of this.connections) connection.cut();
      });
      await empty;
      timer.cancel();
    }
    await ended;
  }

  #scheduleExpiry(): void {
    const { clock } = this.#context;
    this.#expiry = clock.after(
      expiryIntervalMs,
      () => {
        const nowMs = clock.monotonicMs();
        for (const connection of this.connections) connection.expire(nowMs);
        if (nowMs >= this.#trimAtMs) {
          framePool.trim();
          this.#trimAtMs = nowMs + trimIntervalMs;
        }
        this.#scheduleExpiry();
      },
      'background',
    );
  }
}

function plainServer(settings: KafkaDoorSettings, receiveBuffer: Buffer, accept: Accept): Server {
  return createServer({ pauseOnConnect: true }, (accepted) => {
    const handle: unknown = Reflect.get(accepted, '_handle');
    if (typeof handle !== 'object' || handle === null) {
      receiveEvents(accepted, accept);
      accepted.resume();
      return;
    }
    let connection: KafkaConnection | undefined;
    // Overlapped reads hold their buffer until they are done, so on Windows each connection has its own.
    const shared = process.platform === 'win32' ? Buffer.allocUnsafeSlow(settings.receiveBufferBytes) : receiveBuffer;
    const onread = {
      // Called after each read for the place of the next.
      buffer: (): Buffer => connection?.target(shared) ?? shared,
      callback: (length: number, buffer: Uint8Array): boolean => {
        connection?.take(buffer, length);
        return true;
      },
    };
    const socket = new Socket({ handle, readable: true, writable: true, onread } as SocketConstructorOpts);
    // Without its handle the first socket ends without closing anything, and the server no longer counts it.
    Reflect.set(accepted, '_handle', null);
    accepted.destroy();
    connection = accept(socket);
    socket.resume();
  });
}

function tlsServer(tls: TlsSource, settings: KafkaDoorSettings, accept: Accept): Server {
  const options = { ...tls.pair, handshakeTimeout: settings.authenticationMsMax };
  const server = createTlsServer(options, (socket) => receiveEvents(socket, accept));
  // A handshake that failed or took too long. node:tls leaves the socket open, because nobody owns it yet.
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  followPair(server, tls);
  return server;
}

function receiveEvents(socket: Socket, accept: Accept): void {
  const connection = accept(socket);
  socket.on('data', (chunk: Buffer) => connection?.take(chunk, chunk.length));
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : port);
    });
  });
}
