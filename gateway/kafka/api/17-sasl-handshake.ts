/**
 * SaslHandshake (key 17): v0-v1. PLAIN only; any other mechanism gets UNSUPPORTED_SASL_MECHANISM (33) with the list, and
 * another handshake may follow.
 */
import { openApi } from '../api.ts';
import { mechanism } from '../session.ts';

export const saslHandshake = openApi(17, { from: 0, to: 1 }, (call, request) => ({
  errorCode: call.login.handshake(call.version, request.mechanism),
  mechanisms: [mechanism],
}));
