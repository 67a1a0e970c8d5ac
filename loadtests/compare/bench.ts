/** The parts of a benchmark. A bench offers targets that do the same work; the first one is the baseline. */
import type { LatencySummary } from './statistics.ts';

export interface Measured {
  readonly operations: number;
  readonly bytes: number;
  readonly seconds: number;
  /** Microseconds. */
  readonly latency?: LatencySummary;
  /** For targets inside the runner: CPU seconds of the measured part alone, under the name of a process. */
  readonly cpuSeconds?: Readonly<Record<string, number>>;
}

export interface Target {
  readonly name: string;
  /** Processes whose CPU time is reported separately, by role: 'server', 'brokers', 'client'. */
  readonly processes: Readonly<Record<string, readonly number[]>>;
  run(seconds: number): Promise<Measured>;
}

/** A figure that is not a rate: bytes per connection, milliseconds from kill to write. */
export interface Fact {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

export interface Goal {
  readonly target: string;
  /**
   * The ratio of target to baseline: of rates; or of CPU per operation or the 99th percentile of latency, where less is
   * better.
   */
  readonly of: 'rate' | 'server CPU' | 'p99';
  readonly atLeast?: number;
  readonly atMost?: number;
  /** A target other than the first, as yardstick. */
  readonly against?: string;
}

export interface Bench {
  readonly name: string;
  readonly about: string;
  /** What one operation is. */
  readonly unit: string;
  readonly goals?: readonly Goal[];
  /** Targets that alternate. `stop` ends the processes that were started for them. */
  open?(environment: BenchEnvironment): Promise<{ readonly targets: readonly Target[]; stop(): Promise<void> }>;
  /** Or plain figures, measured once. */
  facts?(environment: BenchEnvironment): Promise<readonly Fact[]>;
}

export interface BenchEnvironment {
  /** The repository's compiled output: dist. */
  readonly dist: string;
  readonly profile: boolean;
  /** A folder on disk that is removed afterwards. */
  folder(): string;
  log(line: string): void;
  /** 0 to 1 of the usual size, for a quick run. */
  readonly scale: number;
}
