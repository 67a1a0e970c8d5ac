import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { LongestFirst } from './tests/longest-first.ts';

const everywhere = {
  setupFiles: ['tests/name-file.ts', 'tests/poison-frames.ts'],
  testTimeout: 30_000,
  hookTimeout: 60_000,
  // Without it expect.poll gives up after a second: what a busy machine needs to start a process or to flush a socket.
  expect: { poll: { timeout: 20_000 } },
  pool: 'forks',
  // Of two cores: many of the tests wait for processes, and leave a quarter of them idle.
  maxWorkers: 3,
} satisfies TestProjectInlineConfiguration['test'];

export default defineConfig({
  test: {
    globalSetup: ['tests/hang-watch.ts'],
    sequence: { sequencer: LongestFirst },
    // Projects do not extend this one: each would set the watch up once more.
    projects: [
      {
        test: {
          ...everywhere,
          name: 'across',
          include: ['tests/**/*.test.ts'],
          exclude: ['tests/clients/**', 'tests/browser/**', 'tests/s3/**'],
        },
      },
      {
        test: {
          ...everywhere,
          name: 'unit',
          include: ['{engine,tenancy,gateway,infra,bin,loadtests}/**/*.test.ts'],
          // A process of its own for each of 215 short files took an eighth of a whole run's CPU.
          isolate: false,
        },
      },
    ],
  },
});
