/** SaslHandshake (key 17), v0-1: picks the SASL mechanism; v1 wraps the exchange that follows in SaslAuthenticate. */
import { array, int16, message, string, type Infer } from '../schema.ts';

export const saslHandshakeRequest = message('SaslHandshakeRequest', 17, '0-1', 'none', {
  mechanism: string('plain'),
});
export type SaslHandshakeRequest = Infer<typeof saslHandshakeRequest>;

export const saslHandshakeResponse = message('SaslHandshakeResponse', 17, '0-1', 'none', {
  errorCode: int16(),
  mechanisms: array(string('plain')),
});
export type SaslHandshakeResponse = Infer<typeof saslHandshakeResponse>;
