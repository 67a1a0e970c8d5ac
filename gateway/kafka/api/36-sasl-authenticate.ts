/**
 * SaslAuthenticate (key 36): v0-v2. PLAIN: user name = key id, password = API key. A refusal is answered with
 * SASL_AUTHENTICATION_FAILED (58), or THROTTLING_QUOTA_EXCEEDED (89) where the cluster has no room for another connection,
 * and ends the connection. Sessions have no lifetime of their own (session_lifetime_ms 0): a key that stops working ends
 * its connections at once.
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { SaslAuthenticateResponse } from '../../../engine/protocol/messages/36-sasl-authenticate.ts';
import { openApi } from '../api.ts';
import type { LoginResult } from '../session.ts';

const noBytes = Buffer.alloc(0);

export const saslAuthenticate = openApi(36, { from: 0, to: 2 }, (call, request) => {
  const result = call.login.authenticate(request.authBytes);
  return result instanceof Promise ? result.then(answer) : answer(result);
});

function answer(result: LoginResult): SaslAuthenticateResponse {
  return {
    errorCode: result.ok ? errorCode.none : result.errorCode,
    errorMessage: result.ok ? null : result.message,
    authBytes: noBytes,
    sessionLifetimeMs: 0,
  };
}
