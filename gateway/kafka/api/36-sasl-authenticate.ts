/**
 * SaslAuthenticate (key 36): v0-v2. PLAIN: user name = key id, password = API key. A refusal is answered with
 * SASL_AUTHENTICATION_FAILED (58) and ends the connection. Sessions have no lifetime of their own (session_lifetime_ms 0):
 * a key that stops working ends its connections at once.
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import { openApi } from '../api.ts';

const noBytes = Buffer.alloc(0);

export const saslAuthenticate = openApi(36, { from: 0, to: 2 }, (call, request) => {
  const result = call.login.authenticate(request.authBytes);
  return {
    errorCode: result.ok ? errorCode.none : result.errorCode,
    errorMessage: result.ok ? null : result.message,
    authBytes: noBytes,
    sessionLifetimeMs: 0,
  };
});
