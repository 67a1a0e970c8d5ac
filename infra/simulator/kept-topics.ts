/**
 * What retention leaves of a bounded topic: so many bytes, from the beginning or only once somebody has said so, or what
 * is young enough.
 */
import { below, seededRandom } from '../../engine/kernel/random.ts';

/** For each log of a topic that is bounded by size. */
export const keptBytes = 3000;
/** Of a topic that is bounded by time: less than a world lasts. */
const keptMs = 1500;
/** Mixes in which a third of the worlds keeps by time, and another third is told how much only later. */
const drawingScenarios = ['topics', 'parents'];
/** Of a topic that is told later, until then. */
const keptBytesFirst = 4 * keptBytes;
const toldMsMin = 300;
const toldMsMax = 2500;

export interface Retention {
  /** Absent: by size. */
  readonly keptMs: number | undefined;
  /**
   * When the topic's configs get their first limit, counted from the creation. The one that counts follows when all is
   * quiet and no log is opened any more, which would read it anew. 0: they have that one from the beginning.
   */
  readonly afterMs: number;
}

/** From a random stream of its own, so that other mixes keep their histories. */
export function drawRetention(seed: number, scenario: string): Retention {
  const random = seededRandom(Math.imul(seed + 1, 0x4e7a91b3));
  if (!drawingScenarios.includes(scenario)) return { keptMs: undefined, afterMs: 0 };
  const kind = below(random, 3);
  return {
    keptMs: kind === 0 ? keptMs : undefined,
    afterMs: kind === 1 ? toldMsMin + below(random, toldMsMax) : 0,
  };
}

export type KeptConfigs = Readonly<Record<string, string>>;

export const firstConfigs: KeptConfigs = { 'retention.bytes': String(keptBytesFirst) };

export function retentionConfigs({ keptMs: ms }: Retention): KeptConfigs {
  return ms === undefined ? { 'retention.bytes': String(keptBytes) } : { 'retention.ms': String(ms) };
}
