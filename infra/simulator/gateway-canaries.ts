/** More planted bugs (canaries.ts), in what one of two gateways takes for known while the other one's clients write and delete. */
import { KnownPlaces } from '../../engine/routing/known-places.ts';
import { Tail } from '../../engine/routing/tail.ts';
import type { Canary } from './plant.ts';
import { methodOf, replaced } from './plant-parts.ts';

const longerMs = 500;

export const gatewayCanaries: readonly Canary[] = [
  {
    name: 'takes what an owner has said for known for too long',
    scenario: 'gateways',
    seed: 9,
    plant: () => ({ patch: believeLonger }),
  },
  {
    name: 'takes a question that has just left for the silence of its owner',
    scenario: 'gateways',
    seed: 7,
    plant: () => ({ patch: () => replaced(Tail.prototype, 'isSilent', () => true) }),
  },
];

function believeLonger(): () => void {
  const note = methodOf(KnownPlaces.prototype, 'note');
  return replaced(KnownPlaces.prototype, 'note', function (this: KnownPlaces, asked, answers, sentMs) {
    note.call(this, asked, answers, sentMs + longerMs);
  });
}
