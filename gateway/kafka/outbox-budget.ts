/**
 * Memory for answers that clients have not taken yet, over all connections of the door. Each connection has its own limit,
 * but one answer may be as large as a Fetch asks, and a tenant may have thousands of connections that read nothing.
 *
 * A Fetch gets an eighth of the remaining memory (never less than a batch needs), so that many slow readers get small
 * answers and are still served. When nothing is left, the connection that has taken nothing for longest is ended: its
 * client reconnects. One cluster may hold half, and its own connections make room for it, not those of others.
 */

/** The share of all memory for one cluster. */
const clusterShareMax = 0.5;
const roomPart = 8;
/** For one Fetch, however little is left: it gets a whole batch in any case. */
const roomBytesMin = 64 * 1024;

export interface Debtor {
  readonly clientHost: string;
  cut(): void;
}

interface Owed {
  bytes: number;
  /** The time since they last took something decides the order. */
  readonly debtors: Map<Debtor, number>;
}

export class OutboxBudget {
  readonly #bytesMax: number;
  readonly #bytesOfClusterMax: number;
  readonly #onEnd: (clientHost: string, bytes: number) => void;
  readonly #ofCluster = new Map<string, Owed>();
  #owedBytes = 0;

  /** `onEnd`: called for each connection about to be ended. */
  constructor(bytesMax: number, onEnd: (clientHost: string, bytes: number) => void = () => undefined) {
    this.#bytesMax = bytesMax;
    this.#bytesOfClusterMax = bytesMax * clusterShareMax;
    this.#onEnd = onEnd;
  }

  get owedBytes(): number {
    return this.#owedBytes;
  }

  /** How many bytes one more Fetch of this cluster may return. */
  roomFor(clusterId: string): number {
    const ofCluster = this.#bytesOfClusterMax - (this.#ofCluster.get(clusterId)?.bytes ?? 0);
    const left = Math.min(ofCluster, this.#bytesMax - this.#owedBytes);
    return Math.max(roomBytesMin, Math.floor(left / roomPart));
  }

  /** `bytes`: the connection's current total of untaken answers. May end this connection or others. */
  owe(debtor: Debtor, clusterId: string, bytes: number): void {
    let owed = this.#ofCluster.get(clusterId);
    if (!owed) this.#ofCluster.set(clusterId, (owed = { bytes: 0, debtors: new Map() }));
    this.#add(owed, bytes - (owed.debtors.get(debtor) ?? 0));
    owed.debtors.set(debtor, bytes);
    while (owed.bytes > this.#bytesOfClusterMax) this.#endOne(clusterId, owed);
    while (this.#owedBytes > this.#bytesMax) this.#endOne(...this.#largest());
  }

  /** The connection has taken all answers, or has ended. */
  paid(debtor: Debtor, clusterId: string): void {
    const owed = this.#ofCluster.get(clusterId);
    const bytes = owed?.debtors.get(debtor);
    if (!owed || bytes === undefined) return;
    owed.debtors.delete(debtor);
    this.#add(owed, -bytes);
    if (owed.debtors.size === 0) this.#ofCluster.delete(clusterId);
  }

  #add(owed: Owed, bytes: number): void {
    owed.bytes += bytes;
    this.#owedBytes += bytes;
  }

  #endOne(clusterId: string, { debtors }: Owed): void {
    const [debtor, bytes] = debtors.entries().next().value!;
    this.#onEnd(debtor.clientHost, bytes);
    this.paid(debtor, clusterId);
    debtor.cut();
  }

  #largest(): [string, Owed] {
    return [...this.#ofCluster].reduce((most, one) => (one[1].bytes > most[1].bytes ? one : most));
  }
}
