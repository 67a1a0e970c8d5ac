/**
 * Whether a series of samples stays where it is. After the warm-up a line is laid through the samples; what that line gains
 * over the judged time is compared with what may pass as noise: a share of the level, and a floor in the series' own unit.
 */
export interface Sample {
  /** Since the start of the run. */
  readonly seconds: number;
  readonly value: number;
}

export interface Allowance {
  /** Of the mean level. */
  readonly share: number;
  readonly floor: number;
}

export interface Flatness {
  /** Of the line, per hour. */
  readonly slopePerHour: number;
  readonly mean: number;
  readonly max: number;
  /** What the line gains from the end of the warm-up to the end. */
  readonly growth: number;
  readonly allowed: number;
  readonly isFlat: boolean;
}

/** Least squares over the samples from `fromSeconds` on; without two of them there is nothing to judge, and it is flat. */
export function flatnessOf(samples: readonly Sample[], fromSeconds: number, { share, floor }: Allowance): Flatness {
  const judged = samples.filter(({ seconds }) => seconds >= fromSeconds);
  const count = Math.max(1, judged.length);
  const mean = judged.reduce((sum, { value }) => sum + value, 0) / count;
  const meanSeconds = judged.reduce((sum, { seconds }) => sum + seconds, 0) / count;
  let over = 0;
  let under = 0;
  for (const { seconds, value } of judged) {
    over += (seconds - meanSeconds) * (value - mean);
    under += (seconds - meanSeconds) ** 2;
  }
  const slope = under === 0 ? 0 : over / under;
  const growth = slope * ((judged.at(-1)?.seconds ?? 0) - (judged[0]?.seconds ?? 0));
  const allowed = Math.max(floor, mean * share);
  const max = judged.reduce((most, { value }) => Math.max(most, value), 0);
  return { slopePerHour: slope * 3600, mean, max, growth, allowed, isFlat: growth <= allowed };
}
