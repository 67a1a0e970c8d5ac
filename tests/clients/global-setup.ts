/** Starts the targets that were asked for, once for all clients, and takes them away again. */
import type { TestProject } from 'vitest/node';
import { type StartedTarget, startTarget, type Target } from './targets.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    targets: readonly Target[];
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const names = (process.env['HEADGATE_CLIENT_TARGETS'] ?? 'headgate').split(',');
  const started: StartedTarget[] = [];
  const stop = async (): Promise<void> => {
    for (const target of started) await target.stop();
  };
  try {
    for (const name of names) started.push(await startTarget(name));
  } catch (error) {
    await stop();
    throw error;
  }
  project.provide(
    'targets',
    started.map(({ name, access }) => ({ name, access })),
  );
  return stop;
}
