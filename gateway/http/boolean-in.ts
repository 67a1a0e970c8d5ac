import { InvalidRequest } from '../../engine/kernel/failure.ts';

/**
 * Parses a header or query parameter. A value that looks like yes but is not valid, such as 1 or TRUE, must not be read as
 * no.
 */
export function booleanIn(field: string, text: string): boolean {
  if (text === 'true') return true;
  if (text === 'false') return false;
  throw new InvalidRequest(field, `${field}: ${text || '(empty)'}: use true or false`);
}
