import { defineConfig } from 'vitest/config';

/** The same requests to Headgate and to Apache Kafka; `npm run differential` starts it. */
export default defineConfig({
  test: { include: ['tests/differential/long-run.differential.ts'], pool: 'forks', maxWorkers: 1 },
});
