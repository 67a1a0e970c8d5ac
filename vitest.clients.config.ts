import { defineConfig } from 'vitest/config';

/** Foreign clients against whole installations; `npm run clients` starts it, after installing what they need. */
export default defineConfig({
  test: {
    include: ['tests/clients/**/*.test.ts'],
    globalSetup: ['tests/clients/global-setup.ts'],
    testTimeout: 240_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
