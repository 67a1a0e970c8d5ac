/**
 * How long partitions could not be written. One serial writer per partition is the probe: a sample begins when a fault
 * hits the partition's owner and ends with the answer to the first write that was sent after it.
 */
import type { FaultKind } from './fault-plan.ts';

interface OpenSample {
  readonly kind: FaultKind;
  readonly atMs: number;
}

export interface Times {
  readonly samples: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** What was done to the installation, timed from the beginning of a pause: negative for what came shortly before it. */
interface PauseFault {
  readonly kind: FaultKind;
  readonly afterMs: number;
  /** The faults hit the owner of the paused partition too. */
  readonly isOwners: boolean;
}

/** The longest time between two acknowledgements of one partition, and everything done in it and shortly before it. */
export interface LongestPause {
  readonly ms: number;
  /** For this long the gateway that was asked (the parent) was stopped, so nobody could answer. */
  readonly stoppedMs: number;
  readonly partition: number;
  readonly faults: readonly PauseFault[];
}

interface Fault extends OpenSample {
  readonly partitions: readonly number[];
}

const withoutGateway: ReadonlySet<FaultKind> = new Set([
  'kill-parent',
  'hang-parent',
  'kill-gateway',
  'hang-gateway',
  'kill-all',
  'kill-all-but-brokers',
]);
/** More events than fall into one pause. */
const faultsKeptMax = 64;
/** The pause may result from something that began before the acknowledgement from which it is counted. */
const toldBeforeMs = 1500;
const noPause: LongestPause = { ms: 0, stoppedMs: 0, partition: -1, faults: [] };

export class Downtime {
  readonly #open: OpenSample[][];
  readonly #closed = new Map<FaultKind, number[]>();
  readonly #lastAckMs: number[];
  readonly #lastSentMs: number[];
  readonly #probedAt: string[];
  readonly #longestPauseMs = new Map<string, number>();
  #lastFault = 'none';
  #faults: Fault[] = [];
  #stops: { readonly fromMs: number; readonly toMs: number; readonly partitions: readonly number[] }[] = [];
  #longest = noPause;
  #longestAwake = noPause;

  constructor(partitions: number) {
    this.#open = Array.from({ length: partitions }, () => []);
    this.#lastAckMs = Array.from({ length: partitions }, () => 0);
    this.#lastSentMs = Array.from({ length: partitions }, () => 0);
    this.#probedAt = Array.from({ length: partitions }, () => '');
  }

  /** The gateway that the partition's probe asks from now on. */
  probes(partition: number, gateway: string): void {
    this.#probedAt[partition] = gateway;
  }

  probedAt(gateway: string): number[] {
    return [...this.#probedAt.keys()].filter((partition) => this.#probedAt[partition] === gateway);
  }

  hit(kind: FaultKind, atMs: number, partitions: readonly number[]): void {
    this.#lastFault = kind;
    this.#faults = [...this.#faults, { kind, atMs, partitions }].slice(-faultsKeptMax);
    // Without its parent, or gateway, nobody can write, whatever was about to recover: the rest of the time counts for
    // the parent.
    const takesOver = withoutGateway.has(kind);
    for (const partition of partitions) {
      if (takesOver) this.#open[partition] = [];
      this.#open[partition]!.push({ kind, atMs });
    }
  }

  /** The gateway of these partitions' probes (the parent) was stopped meanwhile, and answers from now on. */
  gatewayStopped(fromMs: number, toMs: number, partitions: readonly number[]): void {
    this.#stops = [...this.#stops, { fromMs, toMs, partitions }].slice(-faultsKeptMax);
  }

  /** Returns the partitions that recovered by it, as text. */
  acked(partition: number, sentAtMs: number, nowMs: number): string | undefined {
    const last = this.#lastAckMs[partition]!;
    const longest = this.#longestPauseMs.get(this.#lastFault) ?? 0;
    if (last > 0) this.#longestPauseMs.set(this.#lastFault, Math.max(longest, nowMs - last));
    if (last > 0 && nowMs - last > this.#longestAwake.ms - this.#longestAwake.stoppedMs) {
      this.#keepIfLongest(this.#pause(partition, last, nowMs));
    }
    this.#lastAckMs[partition] = nowMs;
    this.#lastSentMs[partition] = sentAtMs;
    const open = this.#open[partition]!;
    if (open.length === 0) return undefined;
    let told: string | undefined;
    const left: OpenSample[] = [];
    for (const sample of open) {
      if (sample.atMs > sentAtMs) left.push(sample);
      else {
        const tookMs = nowMs - sample.atMs;
        this.#samplesOf(sample.kind).push(tookMs);
        told = `${partition} after ${Math.round(tookMs)} ms (${sample.kind})`;
      }
    }
    this.#open[partition] = left;
    return told;
  }

  /** When the most recent acknowledged write was sent. */
  lastWriteSentMs(partition: number): number {
    return this.#lastSentMs[partition]!;
  }

  times(kinds?: readonly FaultKind[]): Times {
    const all = [...this.#closed].flatMap(([kind, samples]) => (!kinds || kinds.includes(kind) ? samples : []));
    const sorted = all.sort((a, b) => a - b);
    const at = (share: number): number => Math.round(sorted[Math.ceil(sorted.length * share) - 1] ?? 0);
    return { samples: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
  }

  kinds(): FaultKind[] {
    return [...this.#closed.keys()].sort();
  }

  /** The time between two acknowledgements of one partition, by the last fault in it. */
  longestPausesMs(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#longestPauseMs].map(([kind, ms]) => [kind, Math.round(ms)]));
  }

  get longestPause(): LongestPause {
    return this.#longest;
  }

  /** Like longestPause, without the time in which the gateway was stopped. */
  get longestPauseAwake(): LongestPause {
    return this.#longestAwake;
  }

  #keepIfLongest(pause: LongestPause): void {
    if (pause.ms > this.#longest.ms) this.#longest = pause;
    if (pause.ms - pause.stoppedMs > this.#longestAwake.ms - this.#longestAwake.stoppedMs) this.#longestAwake = pause;
  }

  #pause(partition: number, fromMs: number, toMs: number): LongestPause {
    const faults = this.#faults
      .filter(({ atMs }) => atMs >= fromMs - toldBeforeMs)
      .map(({ kind, atMs, partitions }) => {
        return { kind, afterMs: Math.round(atMs - fromMs), isOwners: partitions.includes(partition) };
      });
    const own = this.#stops.filter(({ partitions }) => partitions.includes(partition));
    const stoppedMs = own.reduce(
      (sum, stop) => sum + Math.max(0, Math.min(toMs, stop.toMs) - Math.max(fromMs, stop.fromMs)),
      0,
    );
    return { ms: Math.round(toMs - fromMs), stoppedMs: Math.round(stoppedMs), partition, faults };
  }

  #samplesOf(kind: FaultKind): number[] {
    let samples = this.#closed.get(kind);
    if (!samples) this.#closed.set(kind, (samples = []));
    return samples;
  }
}
