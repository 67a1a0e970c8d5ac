import { defineConfig } from 'vitest/config';
import { LongestFirst } from './tests/longest-first.ts';

export default defineConfig({
  test: {
    include: ['{engine,tenancy,gateway,infra,bin,loadtests,tests}/**/*.test.ts'],
    globalSetup: ['tests/hang-watch.ts'],
    setupFiles: ['tests/poison-frames.ts'],
    exclude: ['tests/clients/**', 'tests/browser/**', 'tests/s3/**', 'node_modules/**', 'dist/**'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // Of two cores: many of the tests wait for processes, and leave a quarter of them idle.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
  },
});
