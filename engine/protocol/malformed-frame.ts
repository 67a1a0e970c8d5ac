import { Failure } from '../kernel/failure.ts';

/** The bytes are no message of the version they claim to be. The connection they came from cannot be trusted further. */
export class MalformedFrame extends Failure {
  readonly code = 'malformed-frame';
}
