import { defineConfig } from 'vitest/config';

/** Against a real S3 server; `npm run s3` starts it, after installing the server. */
export default defineConfig({
  test: {
    include: ['tests/s3/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 1,
  },
});
