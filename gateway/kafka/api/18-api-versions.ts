/**
 * ApiVersions (key 18): v0-v4. dispatch.ts answers a version that is too new in v0 with our range (KIP-511). No features
 * are finalised: transactions v2, the consumer protocol of KIP-848 and share groups are not served.
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { ApiVersionsResponse } from '../../../engine/protocol/messages/18-api-versions.ts';
import { servedVersions } from '../../../engine/protocol/versions.ts';
import { openApi } from '../api.ts';

/** Kafka's rule for the names that clients give themselves since v3. */
const softwareName = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;
const firstNamedVersion = 3;

export const apiVersions = openApi(18, { from: 0, to: 4 }, ({ version }, request): ApiVersionsResponse => {
  const isNamed = softwareName.test(request.clientSoftwareName) && softwareName.test(request.clientSoftwareVersion);
  const isRefused = version >= firstNamedVersion && !isNamed;
  return {
    errorCode: isRefused ? errorCode.invalidRequest : errorCode.none,
    apiKeys: isRefused
      ? []
      : Array.from(servedVersions.values(), ({ key, claimedMin, max }) => ({
          apiKey: key,
          minVersion: claimedMin,
          maxVersion: max,
        })),
    throttleTimeMs: 0,
    supportedFeatures: [],
    finalizedFeaturesEpoch: -1,
    finalizedFeatures: [],
    zkMigrationReady: false,
  };
});
