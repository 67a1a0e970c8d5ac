/** Where segments lie in an S3-compatible store, as `--segments s3://bucket/prefix` and the AWS_* environment say. */
import { InvalidRequest } from '../../engine/kernel/failure.ts';

export interface S3Location {
  readonly bucket: string;
  /** Empty, or ends with a slash. */
  readonly prefix: string;
  readonly region: string;
  /** Of another service than AWS's own; addressed by path then. */
  readonly endpoint: string | undefined;
}

const address = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/;
/** Keys have 1,024 bytes at most, of which a file's own name takes less than 64. */
const prefixBytesMax = 900;

/** Undefined for the empty text: segments then lie in the data folder. Throws InvalidRequest for an invalid address. */
export function s3Location(
  segments: string,
  endpoint: string,
  environment: Readonly<Record<string, string | undefined>>,
): S3Location | undefined {
  if (segments === '') return undefined;
  const [, bucket, path = ''] = address.exec(segments) ?? [];
  if (bucket === undefined)
    throw new InvalidRequest(
      'segments',
      `--segments ${segments}: use s3://bucket/prefix; a bucket name has 3 to 63 characters of a-z, 0-9, . and -`,
    );
  if (Buffer.byteLength(path) > prefixBytesMax)
    throw new InvalidRequest(
      'segments',
      `--segments: the prefix has ${Buffer.byteLength(path)} bytes; at most ${prefixBytesMax} are allowed`,
    );
  const given = endpoint || environment['AWS_ENDPOINT_URL_S3'] || environment['AWS_ENDPOINT_URL'];
  if (given && !URL.canParse(given))
    throw new InvalidRequest('segments-endpoint', `${given} is not a URL: use one such as https://s3.example.com`);
  return {
    bucket,
    prefix: path === '' ? '' : `${path.replace(/\/+$/, '')}/`,
    region: environment['AWS_REGION'] || environment['AWS_DEFAULT_REGION'] || 'us-east-1',
    endpoint: given || undefined,
  };
}
