/**
 * API keys as text: `hg_<keyId>_<secret>`, 59 characters of letters, digits and '_'. So a double click selects the whole
 * key, no shell or URL needs to quote it, and secret scanners can find a leaked one.
 */
import { createHash } from 'node:crypto';
import type { Random } from '../../engine/kernel/random.ts';
import { keyIdLength, newKeyId } from '../ids.ts';

const prefix = 'hg_';
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
/** 43 characters out of 62: 256 bits. */
const secretLength = 43;
const secretAt = prefix.length + keyIdLength + 1;
const textLength = secretAt + secretLength;
const shape = /^hg_[a-z2-7]{12}_[A-Za-z0-9]{43}$/;

export interface ApiKeyText {
  readonly keyId: string;
  readonly secret: string;
}

export function newSecret(random: Random): string {
  let secret = '';
  while (secret.length < secretLength) {
    for (const byte of random.bytes(secretLength)) {
      // 248 = 4 * 62: accepting larger bytes would make the first letters more likely.
      if (byte < 248 && secret.length < secretLength) secret += letters.charAt(byte % 62);
    }
  }
  return secret;
}

/** A key with a new, unique id and secret. */
export function newApiKey(random: Random): string {
  return formatApiKey({ keyId: newKeyId(random), secret: newSecret(random) });
}

export function formatApiKey({ keyId, secret }: ApiKeyText): string {
  return `${prefix}${keyId}_${secret}`;
}

/** Undefined when `text` does not have the shape of an API key. */
export function parseApiKey(text: string): ApiKeyText | undefined {
  if (text.length !== textLength || !shape.test(text)) return undefined;
  return { keyId: text.slice(prefix.length, secretAt - 1), secret: text.slice(secretAt) };
}

export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
