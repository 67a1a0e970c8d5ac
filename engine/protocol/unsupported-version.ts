import { Failure } from '../kernel/failure.ts';

/** The version does not exist, or cannot carry a value that the message holds. */
export class UnsupportedVersion extends Failure {
  readonly code = 'unsupported-version';
}
