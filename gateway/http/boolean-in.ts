import { InvalidRequest } from '../../engine/kernel/failure.ts';

/** Of a header or query parameter. What reads like a yes and is none, such as 1 or TRUE, must not be taken for a no. */
export function booleanIn(field: string, text: string): boolean {
  if (text === 'true') return true;
  if (text === 'false') return false;
  throw new InvalidRequest(field, `${field}: ${text || '(empty)'}: use true or false`);
}
