import { defineConfig } from 'vitest/config';

/** Foreign clients against whole installations; `npm run clients` starts it, after installing what they need. */
export default defineConfig({
  test: {
    include: ['tests/clients/**/*.test.ts'],
    globalSetup: ['tests/clients/global-setup.ts'],
    testTimeout: 240_000,
    hookTimeout: 120_000,
    pool: 'forks',
    // Most of the time goes by in waits: for a session to time out, for a Java to start.
    maxWorkers: 3,
  },
});
