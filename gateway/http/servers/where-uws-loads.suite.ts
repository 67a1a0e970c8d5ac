/**
 * Suites over uWebSockets.js, where it has a binary that loads. Its builds for Node 22 and newer ask for a glibc that older
 * systems do not have; there the doors run over node:http, and one skipped test says why. On Node 20 it must load.
 */
import { test } from 'vitest';
import { serverDefaults } from './server.ts';
import { loadUws } from './server-uws.ts';

const firstNodeWithNewGlibc = 22;

/** Why these suites are skipped; undefined where uWebSockets.js loads or must load. */
export async function uwsRefusal(): Promise<string | undefined> {
  const refused = await loadUws(serverDefaults.headerBytesMax).then(
    () => undefined,
    (error: unknown) => `uWebSockets.js does not load: ${String(error).replaceAll('\n', ' ')}`,
  );
  const mayRefuse = Number(process.versions.node.split('.')[0]) >= firstNodeWithNewGlibc;
  return mayRefuse ? refused : undefined;
}

export async function whereUwsLoads(cases: () => void): Promise<void> {
  const refused = await uwsRefusal();
  if (refused === undefined) cases();
  else test.skip(refused, () => undefined);
}
