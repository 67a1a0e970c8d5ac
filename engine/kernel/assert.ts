/** A broken invariant is our own bug, never bad input. It stops the operation instead of letting wrong state spread. */
export class AssertionFailure extends Error {
  override readonly name = 'AssertionFailure';
}

/** Stays on in production. `message` says what must hold, for example 'append leaves a gap'. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message);
}

/** Closes an exhaustive switch: the compiler refuses a missing case, and a value from outside the type is named. */
export function unreachable(value: never): never {
  throw new AssertionFailure(`unreachable value ${JSON.stringify(value)}`);
}
