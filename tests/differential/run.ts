/**
 * Runs of drawn steps against both sides: step by step, each answer against the other. A run begins with nothing; so a
 * run that shows a difference is sent again with fewer steps, as long as it shows the same.
 */
import { randomBytes } from 'node:crypto';
import { type ApiKey, apiByKey, type RequestOf, type ResponseOf } from '../../engine/protocol/apis.ts';
import { Draw } from '../fuzz/draw.ts';
import type { Raw } from './connection.ts';
import { compare } from './differences.ts';
import { drawStep } from './draw-step.ts';
import { groupNames, Model } from './model.ts';
import { normalise, type Normal } from './normalise.ts';
import type { Side } from './side.ts';
import { type AskStep, drawnTimesMs, type Step } from './steps.ts';

export interface Finding {
  readonly seed: number;
  readonly at: number;
  readonly steps: readonly Step[];
  readonly ask: AskStep;
  readonly differences: readonly string[];
  readonly kafka: Normal;
  readonly headgate: Normal;
}

export const stepsPerRun = 60;
const shrinkTriesMax = 60;

/** APIs that change what all of a side must have seen before the next question. */
const settling = new Set<ApiKey>([19, 20, 33, 37, 44]);

export interface Pair {
  readonly kafka: Side;
  readonly headgate: Side;
}

export function asksOf(step: Step): readonly AskStep[] {
  return step.kind === 'ask' ? [step] : step.kind === 'rebalance' ? step.joins : step.syncs;
}

function normal(side: Side, { key, version }: AskStep, raw: Raw): Normal {
  if (raw.kind !== 'answer') return { ending: raw.kind };
  const answered = key === 18 && version > apiByKey.get(key)!.max ? 0 : version;
  return normalise(side, key, answered, raw.body);
}

/** The first difference that the step shows. */
async function runStep(
  { kafka, headgate }: Pair,
  step: Step,
  model: Model | undefined,
): Promise<Omit<Finding, 'seed' | 'at' | 'steps'> | undefined> {
  const [a, b] = await Promise.all([kafka.run(step), headgate.run(step)]);
  model?.learn(step, a);
  let found: Omit<Finding, 'seed' | 'at' | 'steps'> | undefined;
  for (const [i, ask] of asksOf(step).entries()) {
    const given = { kafka: normal(kafka, ask, a[i]!), headgate: normal(headgate, ask, b[i]!) };
    const differences = compare(ask, given);
    if (differences.length > 0) found ??= { ask, differences, ...given };
  }
  if (step.kind === 'ask' && settling.has(step.key)) await Promise.all([kafka.settle(), headgate.settle()]);
  const joined = asksOf(step).flatMap((ask, i) => (isMember(ask, a[i]!) ? [(ask.body as RequestOf<11>).groupId] : []));
  if (joined.length > 0) await kafka.untilListed(joined);
  if (step.kind === 'ask' && step.key === 20) {
    await Promise.all([kafka.settleGroups(groupNames), headgate.settleGroups(groupNames)]);
  }
  return found;
}

const memberIdRequired = 79;

/** Whether it created a group member, or returned the id to become one. */
function isMember({ key }: AskStep, raw: Raw): boolean {
  if (key !== 11 || raw.kind !== 'answer') return false;
  const { errorCode } = raw.body as ResponseOf<11>;
  return errorCode === 0 || errorCode === memberIdRequired;
}

function begin(pair: Pair): void {
  const prefix = `r${randomBytes(4).toString('hex')}-`;
  const startMs = Date.now() - drawnTimesMs;
  pair.kafka.begin(prefix, startMs);
  pair.headgate.begin(prefix, startMs);
}

async function clear({ kafka, headgate }: Pair): Promise<void> {
  await Promise.all([kafka.clear(), headgate.clear()]);
  kafka.end();
  headgate.end();
}

export interface RunOptions {
  readonly seed: number;
  readonly steps: number;
  readonly onAsk: (ask: AskStep) => void;
  /** Whether to continue after it. */
  readonly onFinding: (finding: Finding) => boolean;
}

/** Draws steps and compares each. */
export async function run(pair: Pair, { seed, steps: count, onAsk, onFinding }: RunOptions): Promise<void> {
  const draw = new Draw(seed);
  const model = new Model();
  const steps: Step[] = [];
  begin(pair);
  try {
    for (let at = 0; at < count; at++) {
      const step = drawStep(draw, model);
      steps.push(step);
      const found = await runStep(pair, step, model);
      for (const ask of asksOf(step)) onAsk(ask);
      if (found && !onFinding({ seed, at, steps: steps.slice(), ...found })) return;
    }
  } catch (error) {
    // The other side may still ask on its connections: clear() would get the answers.
    pair.kafka.end();
    pair.headgate.end();
    throw new Error(`seed ${seed}, step ${steps.length - 1}: ${stepText(steps.at(-1)!)}`, { cause: error });
  } finally {
    await clear(pair);
  }
}

/** Sends given steps; the finding of the last, which must be the first. */
async function replay(pair: Pair, steps: readonly Step[]): Promise<readonly string[] | undefined> {
  begin(pair);
  try {
    for (const [at, step] of steps.entries()) {
      const found = await runStep(pair, step, undefined);
      if (found) return at === steps.length - 1 ? found.differences : undefined;
    }
    return undefined;
  } catch {
    // A wait for what no longer comes: these steps do not go together.
    return undefined;
  } finally {
    await clear(pair);
  }
}

/** Without the steps that the difference does not need. */
export async function shrink(pair: Pair, finding: Finding): Promise<Finding> {
  const same = finding.differences.map(pathOf).join();
  let { steps } = finding;
  let tries = 0;
  for (let size = Math.ceil(steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < steps.length - 1 && tries < shrinkTriesMax; ) {
      const fewer = [...steps.slice(0, at), ...steps.slice(Math.min(at + size, steps.length - 1))];
      tries++;
      const differences = await replay(pair, fewer);
      if (differences?.map(pathOf).join() === same) steps = fewer;
      else at += size;
    }
  }
  return { ...finding, steps };
}

function pathOf(difference: string): string {
  return difference.slice(0, difference.indexOf(':'));
}

const answerCharsMax = 4_000;

export function findingText({ seed, at, steps, ask, differences, kafka, headgate }: Finding): string {
  const name = apiByKey.get(ask.key)!.name;
  return [
    `seed ${seed}, step ${at}: ${name} v${ask.version} differs`,
    ...differences.map((line) => `  ${line}`),
    `  kafka     ${JSON.stringify(kafka).slice(0, answerCharsMax)}`,
    `  headgate  ${JSON.stringify(headgate).slice(0, answerCharsMax)}`,
    `  ${steps.length} steps that show it:`,
    ...steps.map((step) => `    ${stepText(step)}`),
  ].join('\n');
}

function stepText(step: Step): string {
  const one = ({ key, version, body, connection }: AskStep): string =>
    `${apiByKey.get(key)!.name} v${version} on '${connection}' ${JSON.stringify(body)}`;
  return step.kind === 'ask' ? one(step) : `${step.kind} of ${step.group}: ${asksOf(step).map(one).join(' | ')}`;
}
