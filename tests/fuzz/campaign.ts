/**
 * A run of hostile inputs against one installation: the corpus first, then rounds in which all doors are attacked at once.
 * After each round the installation is looked at as its other users see it. The seed decides every input; their
 * interleaving is the machine's.
 */
import { attackAdmin } from './admin-door.ts';
import { replayCorpus } from './corpus.ts';
import { Draw } from './draw.ts';
import { attackHttp, Refused } from './http-door.ts';
import { attackKafka } from './kafka-door.ts';
import { Report } from './report.ts';
import { revokeKey } from './revoked-key.ts';
import { stall } from './stall.ts';
import { attackTls } from './tls-door.ts';
import { attackWebSocket } from './websocket-door.ts';
import { type Target, within, World } from './world.ts';

export interface CampaignOptions {
  readonly seed: number;
  readonly inputs: number;
  /** Slow clients take their time: half a minute. */
  readonly stalls: boolean;
  readonly target: Target;
  readonly say: (line: string) => void;
}

export interface Outcome {
  readonly report: Report;
  readonly seconds: number;
  readonly corpus: number;
  /** Resident bytes: of all processes together, and of the gateway alone. */
  readonly peakBytes: number;
  readonly peakGatewayBytes: number;
  readonly lastBytes: number;
  /** The longest that a small request of another tenant took. */
  readonly slowestMs: number;
}

const roundInputs = 5_000;
const lanesPerDoor = 10;
/** Parts of a round: the doors differ in what an input costs. */
const shares = { kafka: 45, http: 25, websocket: 25, admin: 5 } as const;
/** On top, where there is TLS. */
const tlsShare = 10;
const roundMsMax = 600_000;

export async function campaign({ seed, inputs, stalls, target, say }: CampaignOptions): Promise<Outcome> {
  const world = await World.start(target);
  const report = new Report(world.secrets, say);
  const watch = new Watch(world, report);
  const startedAtMs = performance.now();
  const refused = new Refused();
  let corpus = 0;
  try {
    corpus = await replayCorpus(world, report);
    await look(world, report, 'the corpus');
    if (stalls) {
      await stall(world, new Draw(seed), report);
      await look(world, report, 'slow clients');
    }
    for (let round = 0; report.total < inputs; round++) {
      await revokeKey(world, report);
      const size = Math.min(roundInputs, inputs - report.total);
      const lanes = lanesOf(world, seed * 1_000 + round, size, report, refused);
      await within(roundMsMax, Promise.all(lanes)).catch((error: unknown) =>
        report.found('all', `round: ${String(error)}`),
      );
      await refused
        .check(world, report)
        .catch((error: unknown) => report.found('http', `reading back: ${String(error)}`));
      refused.ids.clear();
      await look(world, report, `round ${round}`);
      say(`${report.total} inputs, ${report.findings.length} findings, ${watch.text()}`);
      if (!world.instance.isRunning) break;
      await world.mend();
    }
  } finally {
    watch.stop();
    await world.instance.remove();
  }
  const seconds = (performance.now() - startedAtMs) / 1000;
  return { report, seconds, corpus, ...watch.figures() };
}

async function look(world: World, report: Report, after: string): Promise<void> {
  for (const fault of await world.examine().catch((error: unknown) => [String(error)])) {
    report.found('all', `after ${after}: ${fault}`);
  }
}

function lanesOf(world: World, seed: number, size: number, report: Report, refused: Refused): Promise<void>[] {
  const lanes: Promise<void>[] = [];
  for (let lane = 0; lane < lanesPerDoor; lane++) {
    const draw = (door: number): Draw => new Draw((seed * 64 + lane * 4 + door) | 0);
    const share = (percent: number): number => Math.ceil((size * percent) / 100 / lanesPerDoor);
    lanes.push(
      attackKafka(world, draw(0), share(shares.kafka), report),
      attackHttp(world, draw(1), share(shares.http), report, refused),
      attackWebSocket(world, draw(2), share(shares.websocket), report),
      attackAdmin(world, draw(3), share(shares.admin), report),
    );
    if (world.isTls) lanes.push(attackTls(world, new Draw(~(seed * 64 + lane)), share(tlsShare), report));
  }
  return lanes.map((lane) =>
    lane.catch((error: unknown) => {
      report.found('all', `a lane ended: ${error instanceof Error ? String(error.stack) : String(error)}`);
    }),
  );
}

const sampleMs = 200;
/** Events of the operators' log that only a bug of ours writes. */
const bugs =
  /kafka-request-bug|websocket-session-failed|websocket-command-failed|admin-request-failed|http-request-failed|AssertionFailure|RangeError|TypeError|unhandled/i;

/** Memory, the log, and how long others wait, all the while. */
class Watch {
  readonly #world: World;
  readonly #report: Report;
  readonly #timer: NodeJS.Timeout;
  readonly #seen = new Set<string>();
  #peak = 0;
  #peakGateway = 0;
  #last = 0;
  #slowestMs = 0;
  #isAsking = false;

  constructor(world: World, report: Report) {
    this.#world = world;
    this.#report = report;
    this.#timer = setInterval(() => this.#sample(), sampleMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  figures(): Pick<Outcome, 'peakBytes' | 'peakGatewayBytes' | 'lastBytes' | 'slowestMs'> {
    return {
      peakBytes: this.#peak,
      peakGatewayBytes: this.#peakGateway,
      lastBytes: this.#last,
      slowestMs: this.#slowestMs,
    };
  }

  text(): string {
    const mib = (bytes: number): string => `${Math.round(bytes / 1024 / 1024)} MiB`;
    const each = this.#world.memory().map((bytes) => Math.round(bytes / 1024 / 1024));
    return `memory ${mib(this.#last)} (${each.join(' + ')}), peak ${mib(this.#peak)} (gateway ${mib(this.#peakGateway)}), slowest answer to another tenant ${Math.round(this.#slowestMs)} ms`;
  }

  #sample(): void {
    const each = this.#world.memory();
    this.#last = each.reduce((sum, bytes) => sum + bytes, 0);
    this.#peak = Math.max(this.#peak, this.#last);
    this.#peakGateway = Math.max(this.#peakGateway, each[0] ?? 0);
    for (const line of this.#world.instance.errors.splice(0)) {
      if (!bugs.test(line)) continue;
      // One of a kind: the same bug is met many times.
      const kind = line.replace(/[0-9a-f-]{6,}|\d+/g, '#').slice(0, 200);
      if (this.#seen.has(kind)) continue;
      this.#seen.add(kind);
      this.#report.found('all', `in the log: ${line.slice(0, 2_000)}`);
    }
    if (this.#isAsking) return;
    this.#isAsking = true;
    const beganMs = performance.now();
    fetch(`${this.#world.instance.http}/v1`)
      .then((response) => response.arrayBuffer())
      .catch(() => undefined)
      .finally(() => {
        this.#isAsking = false;
        this.#slowestMs = Math.max(this.#slowestMs, performance.now() - beganMs);
      });
  }
}
