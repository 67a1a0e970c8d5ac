/** SaslAuthenticate (key 36), v0-2: the messages of a SASL exchange; v1 says how long the session lasts. */
import { bytes, int16, int64, message, string, type Infer } from '../schema.ts';

export const saslAuthenticateRequest = message('SaslAuthenticateRequest', 36, '0-2', '2+', {
  authBytes: bytes('secret'),
});
export type SaslAuthenticateRequest = Infer<typeof saslAuthenticateRequest>;

export const saslAuthenticateResponse = message('SaslAuthenticateResponse', 36, '0-2', '2+', {
  errorCode: int16(),
  errorMessage: string('errorText', { nullable: true }),
  authBytes: bytes('secret'),
  sessionLifetimeMs: int64({ since: 1, ignorable: true }),
});
export type SaslAuthenticateResponse = Infer<typeof saslAuthenticateResponse>;
