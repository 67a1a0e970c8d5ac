import { expect, it } from 'vitest';
import { Cancellation } from './cancellation.ts';

it('calls its listeners once, and those that were forgotten not at all', () => {
  const cancellation = new Cancellation();
  const told: string[] = [];
  const forgotten = (): void => void told.push('forgotten');
  cancellation.onCancel(() => told.push('first'));
  cancellation.onCancel(forgotten);
  cancellation.onCancel(() => {
    // Whoever ends forgets its listener, while the others are still being called.
    cancellation.forget(forgotten);
    told.push('last');
  });
  cancellation.forget(forgotten);
  expect(cancellation.isCancelled).toBe(false);
  cancellation.cancel();
  cancellation.cancel();
  expect([cancellation.isCancelled, told]).toEqual([true, ['first', 'last']]);
});

it('calls nobody who comes afterwards', () => {
  const cancellation = new Cancellation();
  cancellation.cancel();
  cancellation.onCancel(() => expect.unreachable());
  cancellation.cancel();
});
