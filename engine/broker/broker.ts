/**
 * An embedded broker: one session's logs and the coordinators that live in them, behind the Kafka protocol on its own
 * address. It decides nothing about placement. The rows say what it serves (ownership.ts), and its session says what it
 * may acknowledge (session.ts).
 */
import type { Clock } from '../kernel/clock.ts';
import { SharedFrame } from '../kernel/frame-pool.ts';
import type { Random } from '../kernel/random.ts';
import type { Uuid } from '../kernel/uuid.ts';
import { type Call, serveLinks } from '../link/serve.ts';
import type { LogStore, PartitionLog } from '../log/log.ts';
import type { Network } from '../ports.ts';
import { splitTopicIds } from '../link/named-topics.ts';
import { produce } from './api/00-produce.ts';
import { fetch } from './api/01-fetch.ts';
import { listOffsets } from './api/02-list-offsets.ts';
import { deleteRecords } from './api/21-delete-records.ts';
import { offsetForLeaderEpoch } from './api/23-offset-for-leader-epoch.ts';
import { describeLogDirs } from './api/35-describe-log-dirs.ts';
import { closeLogs, releaseLogs } from './api/30000-release-logs.ts';
import { brokerStatus } from './api/30002-broker-status.ts';
import { LoadCount } from './api/30003-take-load.ts';
import { scrub } from './api/30004-scrub.ts';
import { coordinate } from './api/coordinate.ts';
import { CoordinatorSeats } from './coordinator-seats.ts';
import type { GroupSettings } from './groups/settings.ts';
import { type FollowedCatalogue, Ownership } from './ownership.ts';
import { TakeBack, type TakeBackParts } from './take-back.ts';
import { type LeaseLook, Wakefulness } from './wakefulness.ts';
import { LogVisits, type VisitSettings } from './visit-logs.ts';

export interface BrokerParts {
  readonly brokerId: number;
  readonly sessionEpoch: number;
  /** Address for incoming links. */
  readonly address: string;
  readonly logs: LogStore;
  readonly catalogue: FollowedCatalogue;
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  /** For logs whose release failed, or that were released and not moved. Absent in tests where neither happens. */
  readonly takeBack?: Pick<TakeBackParts, 'store' | 'guard' | 'isControllerGone'>;
  /** Absent where a process is never stopped and later resumed. */
  readonly lease?: LeaseLook;
  readonly visits?: VisitSettings;
  readonly groups?: Partial<GroupSettings>;
  /** A request ended in an exception: a bug. The process is expected to stop, since its state cannot be trusted. */
  onBug(error: unknown): void;
}

export interface Broker {
  /** Takes no new requests; coordinators close. The logs stay open for their own clean close. */
  stop(): Promise<void>;
}

export async function startBroker(parts: BrokerParts): Promise<Broker> {
  const isOpen = (topicId: Uuid, partition: number): boolean => parts.logs.get(topicId, partition)?.isOpen ?? false;
  const takeBack = parts.takeBack && new TakeBack({ ...parts, ...parts.takeBack, isOpen });
  const ownership = new Ownership(parts.brokerId, parts.logs, parts.catalogue, parts.clock);
  ownership.onReleased = (given, isReleased) => takeBack?.watch(given, isReleased);
  const seats = new CoordinatorSeats(parts.catalogue, ownership, parts.clock, parts.random, parts.groups);
  const load = new LoadCount(parts.clock);
  const visits = new LogVisits({ ...parts, ownership, ...(parts.visits ? { settings: parts.visits } : {}) });
  const wakefulness = parts.lease && new Wakefulness(parts.clock, parts.lease);
  const isAwake = (): boolean => wakefulness?.isAwake() ?? true;
  const desk: Desk = { ownership, seats, load, isAwake };
  const server = await serveLinks(parts.network, parts.address, (call) => handle(parts, desk, call));
  return {
    async stop() {
      takeBack?.stop();
      wakefulness?.stop();
      visits.stop();
      await server.close();
      await seats.leaveAll();
    },
  };
}

interface Desk {
  readonly ownership: Ownership;
  readonly seats: CoordinatorSeats;
  readonly load: LoadCount;
  readonly isAwake: () => boolean;
}

function handle(parts: BrokerParts, { ownership, seats, load, isAwake }: Desk, call: Call): void {
  const { catalogue, clock, logs } = parts;
  const onBug = (error: unknown): void => parts.onBug(error);
  const leave = (log: PartitionLog): Promise<void> => seats.leave(log);
  const topicIds = (): readonly (Uuid | undefined)[] => splitTopicIds(call.clientId);
  /** Every operation turns expected failures into codes, partition by partition. What it throws is a bug. */
  const settle = <R>(answer: Promise<R>, respond: (response: R) => void): void => {
    answer.then(respond).catch(onBug);
  };
  switch (call.key) {
    case 0:
      return produce(ownership, clock, call.request, new SharedFrame(call.frame), (response) => call.respond(response));
    case 1:
      return fetch(ownership, clock, call.request, (response, sent) => call.respond(response, sent), onBug);
    case 2:
      return settle(
        listOffsets({ catalogue, ownership, clock, isAwake, topicIds: topicIds() }, call.request),
        (response) => call.respond(response),
      );
    case 21:
      return settle(
        deleteRecords({ catalogue, ownership, clock, isAwake, topicIds: topicIds() }, call.request),
        (response) => call.respond(response),
      );
    case 23:
      return settle(offsetForLeaderEpoch(catalogue, ownership, isAwake, call.request, topicIds()), (response) =>
        call.respond(response),
      );
    case 35:
      return settle(describeLogDirs(catalogue, ownership, call.request, topicIds()), (response) =>
        call.respond(response),
      );
    case 30000:
      return settle(releaseLogs(ownership, leave, call.request), (response) => call.respond(response));
    case 30001:
      return settle(closeLogs(logs, ownership, leave, call.request), (response) => call.respond(response));
    case 30002:
      return call.respond(brokerStatus(parts.brokerId, logs));
    case 30003:
      return call.respond(load.take(logs, call.request));
    case 30004:
      return call.respond(scrub(logs, call.request));
    default:
      return settle(coordinate(seats, call), () => undefined);
  }
}
