/** Programs that are started as processes of their own, by their files in the compiled output. */
import { fileURLToPath } from 'node:url';

/** This file is in bin/ there, or within a bundle in the folder beside it. */
function compiled(path: string): string {
  return fileURLToPath(new URL(`../bin/${path}`, import.meta.url));
}

export const compiledPrograms = {
  broker: compiled('broker/broker-main.js'),
  detachedBroker: compiled('broker/detached-broker.js'),
} as const;
