import { expect, test } from 'vitest';
import { systemClock } from '../../../engine/kernel/clock.ts';
import { chooseServer } from './choose-server.ts';
import { type ServerDoors, serverDefaults } from './server.ts';

const doors: ServerDoors = { routes: [], fallback: (exchange) => exchange.reply(404, []) };
const broken = (): Promise<never> => Promise.reject(new Error('no binary for this platform'));

test('falls back to node:http and says why', async () => {
  const chosen = await chooseServer('auto', serverDefaults, doors, systemClock, broken);
  expect([chosen.server.driver, chosen.fallbackReason]).toEqual(['node', 'no binary for this platform']);
});

test('fails when uWebSockets.js is required and does not load', async () => {
  await expect(chooseServer('uws', serverDefaults, doors, systemClock, broken)).rejects.toThrow('no binary');
  const chosen = await chooseServer('node', serverDefaults, doors, systemClock, broken);
  expect([chosen.server.driver, chosen.fallbackReason]).toEqual(['node', undefined]);
});
