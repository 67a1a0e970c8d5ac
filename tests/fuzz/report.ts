/** The findings of a run, and how much it has tried. */
export type DoorName = 'kafka' | 'http' | 'websocket' | 'admin' | 'tls';

export interface Finding {
  readonly door: DoorName | 'all';
  readonly what: string;
  /** Base64 of what was sent, cut to a length that can be read. */
  readonly sent: string;
}

const findingsMax = 200;
const sentCharsMax = 6_000;

export class Report {
  readonly findings: Finding[] = [];
  readonly inputs: Record<DoorName, number> = { kafka: 0, http: 0, websocket: 0, admin: 0, tls: 0 };
  readonly outcomes = new Map<string, number>();
  readonly #secrets: readonly Buffer[];

  readonly #say: (line: string) => void;

  constructor(secrets: readonly Buffer[], say: (line: string) => void) {
    this.#secrets = secrets;
    this.#say = say;
  }

  get total(): number {
    return Object.values(this.inputs).reduce((sum, each) => sum + each, 0);
  }

  count(door: DoorName, outcome: string): void {
    this.inputs[door]++;
    const name = `${door} ${outcome}`;
    this.outcomes.set(name, (this.outcomes.get(name) ?? 0) + 1);
  }

  found(door: Finding['door'], what: string, sent: Uint8Array | string = ''): void {
    if (this.findings.length >= findingsMax) return;
    this.#say(
      `FOUND ${door}: ${what}\n  ${Buffer.from(sent as string)
        .toString('latin1')
        .slice(0, 400)}`,
    );
    this.findings.push({
      door,
      what,
      sent: Buffer.from(sent as string)
        .toString('base64')
        .slice(0, sentCharsMax),
    });
  }

  /** Bytes that an attacker received. */
  leaks(door: DoorName, received: Buffer, sent: Uint8Array | string): void {
    for (const secret of this.#secrets) {
      if (received.includes(secret)) this.found(door, 'another tenant’s data was received', sent);
    }
  }
}
