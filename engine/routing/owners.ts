/** Who owns a partition and where that broker listens, read from the catalogue's Maps. */
import type { Catalogue } from '../engine.ts';
import type { Uuid } from '../kernel/uuid.ts';

/** What routing needs from the catalogue beyond topics. engine/catalogue.ts implements it. */
export interface RoutingCatalogue extends Catalogue {
  broker(brokerId: number): { readonly address: string; readonly state: string } | undefined;
  onPlacement(listener: (topicId: Uuid) => void): void;
  onBroker(listener: (brokerId: number) => void): void;
}

export interface Owner {
  readonly brokerId: number;
  readonly leaderEpoch: number;
  readonly address: string;
}

/** 'unknown': no such topic or partition. 'none': nobody serves it at the moment. */
export function ownerOf(catalogue: RoutingCatalogue, topicId: Uuid, index: number): Owner | 'unknown' | 'none' {
  const place = catalogue.byId(topicId)?.partitions[index];
  if (!place) return 'unknown';
  const broker = place.brokerId < 0 ? undefined : catalogue.broker(place.brokerId);
  // A draining broker serves what it still owns. A fenced or closed session no longer serves anything.
  if (!broker || (broker.state !== 'serving' && broker.state !== 'draining')) return 'none';
  return { brokerId: place.brokerId, leaderEpoch: place.leaderEpoch, address: broker.address };
}
