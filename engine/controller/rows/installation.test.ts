import { expect, it } from 'vitest';
import { manualClock } from '../../kernel/manual-clock.ts';
import { seededRandom } from '../../kernel/random.ts';
import { memoryStore } from '../../store-memory.ts';
import { installationId } from './installation.ts';

it('an installation keeps the id it has drawn, and gets it back from elsewhere when its row is damaged', async () => {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const persistence = { store, clock, random: seededRandom(1) };
  const id = await installationId(persistence);
  expect(await installationId({ ...persistence, random: seededRandom(2) })).toBe(id);
  const key = { pk: 'IDS', sk: 'INSTALLATION' };
  store.rot(key, (await store.get(key))!.value.slice(0, 7));
  await expect(installationId(persistence)).rejects.toThrow(
    /^row IDS INSTALLATION: .* damaged, and its volumes do not tell it: restore the metadata store from a backup$/,
  );
  expect(await installationId(persistence, () => id)).toBe(id);
  expect(await installationId(persistence)).toBe(id);
});
