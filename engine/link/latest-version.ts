import { assert } from '../kernel/assert.ts';
import { type ApiKey, apiByKey } from '../protocol/apis.ts';

/** Both ends of a link belong to one installation, so a request uses the latest version that the codec knows. */
export function latestVersion(key: ApiKey): number {
  const api = apiByKey.get(key);
  assert(api, `API ${key} is in the registry`);
  return api.max;
}
