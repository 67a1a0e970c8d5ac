import { Failure } from '../kernel/failure.ts';

/** The bytes are not a message of the version they claim to be. Their connection cannot be trusted any further. */
export class MalformedFrame extends Failure {
  readonly code = 'malformed-frame';
}
