/**
 * The order in which test files begin. Where nothing is known of earlier runs vitest takes the largest file first, and the
 * simulator's, which is short and takes longest, would begin among the last and be waited for alone.
 */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Longest first. */
const longest = ['tests/sim/canaries', 'tests/sim/seeds', 'tests/e2e/', 'tests/faults/', 'tests/soak/', 'tests/'];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = longest.findIndex((part) => moduleId.includes(part));
      return at < 0 ? longest.length : at;
    };
    // Stable: among equals as vitest has them.
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}
