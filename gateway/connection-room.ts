/**
 * How many connections the doors may hold. Each is an open file of the process, and the process has a limit on those. If
 * clients used all of them, the metadata store, the links to brokers and the processes that a failover starts would find
 * none, and anybody who can reach a port could delay a failover, logged in or not. So one part is reserved for the engine
 * and one for the control plane, through which an operator observes the system. No data door may use up the other one's
 * part.
 */
/** The engine gets at most a quarter of all. */
const engineFilesMax = 1_024;
/** The control plane gets at most an eighth. */
const adminConnectionsMax = 256;

export class Room {
  readonly max: number;
  /** The total of connections closed for want of room. */
  refused = 0;
  #taken = 0;
  #isTold = false;
  readonly #within: Room | undefined;
  readonly #onFull: () => void;

  /** `within`: shared with others. `onFull`: called when one is refused, and again only after some room was free. */
  constructor(max: number, within?: Room, onFull = (): void => undefined) {
    this.max = max;
    this.#within = within;
    this.#onFull = onFull;
  }

  get taken(): number {
    return this.#taken;
  }

  get isFull(): boolean {
    return this.#taken >= this.max || (this.#within?.isFull ?? false);
  }

  /** False: the connection must be closed, and nothing is to be given back. */
  take(): boolean {
    if (this.isFull) {
      this.refuse();
      return false;
    }
    this.#taken++;
    if (this.#within) this.#within.#taken++;
    return true;
  }

  /** Counts a connection that is closed for want of room. */
  refuse(): void {
    this.refused++;
    if (!this.#isTold) this.#onFull();
    this.#isTold = true;
  }

  give(): void {
    this.#taken--;
    if (this.#within) this.#within.#taken--;
    if (this.#taken < this.max / 2) this.#isTold = false;
  }
}

export const doorNames = ['kafka', 'http', 'admin'] as const;
export type DoorName = (typeof doorNames)[number];

export class ConnectionRoom {
  readonly kafka: Room;
  readonly http: Room;
  readonly admin: Room;

  /** `openFilesMax`: what the system allows the process. */
  constructor(openFilesMax: number, onFull: (door: DoorName) => void = () => undefined) {
    const ofAdmin = Math.min(adminConnectionsMax, openFilesMax >> 3);
    const forData = new Room(openFilesMax - ofAdmin - Math.min(engineFilesMax, openFilesMax >> 2));
    const ofOneDoor = forData.max - (forData.max >> 2);
    this.kafka = new Room(ofOneDoor, forData, () => onFull('kafka'));
    this.http = new Room(ofOneDoor, forData, () => onFull('http'));
    this.admin = new Room(ofAdmin, undefined, () => onFull('admin'));
  }
}
