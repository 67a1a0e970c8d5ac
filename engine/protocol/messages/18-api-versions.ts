/**
 * ApiVersions (key 18), v0-4: what the other side serves. It is the first request on every connection, so the response
 * always has header v0, and an unknown version is answered in v0.
 */
import { bool, int16, int32, int64, message, string, structs, type Infer } from '../schema.ts';

export const apiVersionsRequest = message('ApiVersionsRequest', 18, '0-4', '3+', {
  clientSoftwareName: string('plain', { since: 3, ignorable: true }),
  clientSoftwareVersion: string('plain', { since: 3, ignorable: true }),
});
export type ApiVersionsRequest = Infer<typeof apiVersionsRequest>;

export const apiVersionsResponse = message('ApiVersionsResponse', 18, '0-4', '3+', {
  errorCode: int16(),
  apiKeys: structs({ apiKey: int16(), minVersion: int16(), maxVersion: int16() }),
  throttleTimeMs: int32({ since: 1, ignorable: true }),
  supportedFeatures: structs(
    {
      name: string('plain'),
      minVersion: int16(),
      maxVersion: int16(),
    },
    { since: 3, tag: 0, ignorable: true },
  ),
  finalizedFeaturesEpoch: int64({ since: 3, tag: 1, default: -1, ignorable: true }),
  finalizedFeatures: structs(
    {
      name: string('plain'),
      maxVersionLevel: int16(),
      minVersionLevel: int16(),
    },
    { since: 3, tag: 2, ignorable: true },
  ),
  zkMigrationReady: bool({ since: 3, tag: 3, ignorable: true }),
});
export type ApiVersionsResponse = Infer<typeof apiVersionsResponse>;
