/** AlterUserScramCredentials (key 51), v0: creates and removes SCRAM users (KIP-554). */
import { bytes, int16, int32, int8, message, string, structs, type Infer } from '../schema.ts';

export const alterUserScramCredentialsRequest = message('AlterUserScramCredentialsRequest', 51, '0', '0+', {
  deletions: structs({
    name: string('principal'),
    mechanism: int8(),
  }),
  upsertions: structs({
    name: string('principal'),
    mechanism: int8(),
    iterations: int32(),
    salt: bytes('secret'),
    saltedPassword: bytes('secret'),
  }),
});
export type AlterUserScramCredentialsRequest = Infer<typeof alterUserScramCredentialsRequest>;

export const alterUserScramCredentialsResponse = message('AlterUserScramCredentialsResponse', 51, '0', '0+', {
  throttleTimeMs: int32(),
  results: structs({
    user: string('principal'),
    errorCode: int16(),
    errorMessage: string('errorText', { nullable: true }),
  }),
});
export type AlterUserScramCredentialsResponse = Infer<typeof alterUserScramCredentialsResponse>;
