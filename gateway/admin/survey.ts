/**
 * What no counter knows: how many bytes clusters store, and how far their consumer groups are behind. Brokers are asked about
 * it in the background, one request after the other with pauses in between, and only while somebody scrapes the metrics. A
 * scrape shows what is known and waits for nothing, so neither many groups nor a broker that is away can hold it up.
 *
 * The alternative, counting with each commit and each append, would put this work on the data path, and a coordinator does
 * not know the ends of other brokers' logs.
 */
import type { Clock, Timer } from '../../engine/kernel/clock.ts';
import { Failure } from '../../engine/kernel/failure.ts';
import type { ClusterView } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import type { AdminLimits } from './options.ts';
import { type ClusterFigures, nothingKnown, type Pace, readCluster } from './survey-cluster.ts';

/** The longest pause between two requests. */
const pauseMsMax = 1_000;

export class Survey {
  readonly #context: GatewayContext;
  readonly #limits: AdminLimits;
  readonly #figures = new Map<string, ClusterFigures>();
  readonly #pace: RestfulPace;
  #wantedAtMs = 0;
  #isRunning = false;
  /** Of all clusters. */
  #groupsShown = 0;

  constructor(context: GatewayContext, limits: AdminLimits) {
    this.#context = context;
    this.#limits = limits;
    this.#pace = new RestfulPace(context.clock);
  }

  /** Called for each scrape that shows clusters: begins the survey, or lets it go on. */
  want(): void {
    this.#wantedAtMs = this.#context.clock.monotonicMs();
    if (this.#isRunning || this.#pace.isOver) return;
    this.#isRunning = true;
    this.#run().catch((error: unknown) => {
      this.#isRunning = false;
      const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#context.log('survey-failed', { reason });
    });
  }

  of(clusterId: string): ClusterFigures | undefined {
    return this.#figures.get(clusterId);
  }

  /** Of the oldest figure; undefined while there is none. */
  ageMs(): number | undefined {
    let oldestMs = Infinity;
    for (const { readAtMs } of this.#figures.values()) oldestMs = Math.min(oldestMs, readAtMs);
    return oldestMs === Infinity ? undefined : this.#context.clock.monotonicMs() - oldestMs;
  }

  close(): void {
    this.#pace.end();
  }

  async #run(): Promise<void> {
    const { surveyIntervalMs } = this.#limits;
    const { clock } = this.#context;
    this.#pace.begin();
    while (this.#isWanted()) {
      const beganAtMs = clock.monotonicMs();
      await this.#pass();
      await this.#pace.wait(Math.max(pauseMsMax, beganAtMs + surveyIntervalMs - clock.monotonicMs()));
    }
    this.#isRunning = false;
  }

  #isWanted(): boolean {
    return !this.#pace.isOver && this.#context.clock.monotonicMs() - this.#wantedAtMs < this.#limits.surveyIdleMs;
  }

  async #pass(): Promise<void> {
    const clusters = present(this.#context.tenancy.clusters());
    const ids = new Set(clusters.map(({ clusterId }) => clusterId));
    for (const clusterId of this.#figures.keys()) if (!ids.has(clusterId)) this.#set(clusterId, undefined);
    for (const { clusterId } of clusters) {
      if (!this.#isWanted()) return;
      // It may have been deleted meanwhile.
      if (this.#context.tenancy.cluster(clusterId)) await this.#read(clusterId);
    }
  }

  async #read(clusterId: string): Promise<void> {
    const { metricsGroupsMax, metricsGroupsPerClusterMax, surveyedGroupsMax } = this.#limits;
    const before = this.#figures.get(clusterId) ?? nothingKnown(this.#context.clock.monotonicMs());
    const left = metricsGroupsMax - this.#groupsShown + before.groups.size;
    const bounds = { groupsMax: surveyedGroupsMax, shownMax: Math.min(metricsGroupsPerClusterMax, left) };
    try {
      this.#set(clusterId, await readCluster(this.#context, clusterId, before, bounds, this.#pace));
    } catch (error) {
      // For example a cluster that is being deleted: its figures go with it.
      if (!(error instanceof Failure)) throw error;
    }
  }

  #set(clusterId: string, figures: ClusterFigures | undefined): void {
    this.#groupsShown += (figures?.groups.size ?? 0) - (this.#figures.get(clusterId)?.groups.size ?? 0);
    if (figures) this.#figures.set(clusterId, figures);
    else this.#figures.delete(clusterId);
  }
}

/** The oldest first, as they get labels (cluster-labels.ts). */
function present(clusters: Iterable<ClusterView>): ClusterView[] {
  const stored = [...clusters].filter(({ state }) => state === 'serving' || state === 'suspended');
  return stored.sort((a, b) => a.createdAtMs - b.createdAtMs);
}

/** Pauses for as long as the work before the pause took: at most half the time of one core, and of one link, is used. */
class RestfulPace implements Pace {
  readonly #clock: Clock;
  #resumedAtMs = 0;
  #waiting: { readonly timer: Timer; readonly done: () => void } | undefined;
  isOver = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(): void {
    this.#resumedAtMs = this.#clock.monotonicMs();
  }

  async rest(): Promise<void> {
    const tookMs = this.#clock.monotonicMs() - this.#resumedAtMs;
    await this.wait(Math.min(pauseMsMax, Math.max(1, tookMs)));
  }

  async wait(delayMs: number): Promise<void> {
    if (!this.isOver) {
      await new Promise<void>((resolve) => {
        this.#waiting = { timer: this.#clock.after(delayMs, resolve, 'background'), done: resolve };
      });
    }
    this.begin();
  }

  end(): void {
    this.isOver = true;
    this.#waiting?.timer.cancel();
    this.#waiting?.done();
  }
}
