import { defineConfig } from 'vitest/config';

/** Pages in a real browser against whole installations; `npm run browser` starts it, after installing the browser. */
export default defineConfig({
  test: {
    include: ['tests/browser/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 1,
  },
});
