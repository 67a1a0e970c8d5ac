/**
 * Suites over uWebSockets.js, where it has a binary that loads. Its builds for Node 22 and newer ask for a glibc that older
 * systems do not have; there the doors run over node:http, and one skipped test says why. On Node 20 it must load.
 */
import { test } from 'vitest';
import { serverDefaults } from './server.ts';
import { loadUws } from './server-uws.ts';

const firstNodeWithNewGlibc = 22;

export async function whereUwsLoads(cases: () => void): Promise<void> {
  const refused = await loadUws(serverDefaults.headerBytesMax).then(
    () => undefined,
    (error: unknown) => String(error),
  );
  const mayRefuse = Number(process.versions.node.split('.')[0]) >= firstNodeWithNewGlibc;
  if (refused === undefined || !mayRefuse) cases();
  else test.skip(`uWebSockets.js does not load: ${refused.replaceAll('\n', ' ')}`, () => undefined);
}
