/** Request frames of the Kafka load generators, built once and sent unchanged. */
import { type ApiKey, apiKey, type RequestOf } from '../../engine/protocol/apis.ts';
import { decodeResponse, encodeRequest } from '../../engine/protocol/headers.ts';

export const frameHeaderBytes = 4;
const authenticateVersion = 2;

export function frameOf<K extends ApiKey>(
  key: K,
  version: number,
  correlationId: number,
  request: RequestOf<K>,
): Buffer {
  const body = Buffer.concat(encodeRequest(key, version, correlationId, 'load', request));
  const prefix = Buffer.alloc(frameHeaderBytes);
  prefix.writeInt32BE(body.length);
  return Buffer.concat([prefix, body]);
}

/** The requests of a PLAIN login, each to be sent when the previous one is answered. */
export function loginFrames(username: string, password: string): readonly [Buffer, Buffer] {
  const authBytes = Buffer.from(`\0${username}\0${password}`);
  return [
    frameOf(apiKey.saslHandshake, 1, 0, { mechanism: 'PLAIN' }),
    frameOf(apiKey.saslAuthenticate, authenticateVersion, 1, { authBytes }),
  ];
}

/** The error in the second answer (given without its size); undefined when the login succeeded. */
export function loginFault(frame: Buffer): string | undefined {
  const { errorCode, errorMessage } = decodeResponse(apiKey.saslAuthenticate, authenticateVersion, frame);
  return errorCode === 0 ? undefined : `login: ${errorCode} ${errorMessage}`;
}
