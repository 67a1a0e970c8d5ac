import { defineConfig } from 'vitest/config';

/** Hostile input by the hundred thousand; `npm run fuzz` starts it. */
export default defineConfig({
  test: { include: ['tests/fuzz/long-run.fuzz.ts'], hookTimeout: 120_000, pool: 'forks', maxWorkers: 1 },
});
