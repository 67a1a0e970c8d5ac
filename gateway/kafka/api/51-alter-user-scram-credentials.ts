/** AlterUserScramCredentials (key 51): v0. Refused: users cannot be created (33), and there are none to remove (91). */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type {
  AlterUserScramCredentialsRequest,
  AlterUserScramCredentialsResponse,
} from '../../../engine/protocol/messages/51-alter-user-scram-credentials.ts';
import { api } from '../api.ts';
import { noScramUser } from './50-describe-user-scram-credentials.ts';

type Result = AlterUserScramCredentialsResponse['results'][number];

const onlyPlain = 'SCRAM is not supported: clients authenticate with API keys, which are created in the control plane.';

export const alterUserScramCredentials = api(
  51,
  { from: 0, to: 0 },
  (_call, { deletions, upsertions }) => {
    // One answer for each user, as Kafka gives.
    const results = new Map<string, Result>();
    const refuse = (user: string, code: number, errorMessage: string): void => {
      results.set(user, { user, errorCode: code, errorMessage });
    };
    for (const { name } of deletions) refuse(name, errorCode.resourceNotFound, noScramUser);
    for (const { name } of upsertions) refuse(name, errorCode.unsupportedSaslMechanism, onlyPlain);
    return { throttleTimeMs: 0, results: [...results.values()] };
  },
  (request, { errorCode: code, message }) => ({
    throttleTimeMs: 0,
    results: namesIn(request).map((user) => ({ user, errorCode: code, errorMessage: message })),
  }),
);

function namesIn({ deletions, upsertions }: AlterUserScramCredentialsRequest): string[] {
  return [...new Set([...deletions, ...upsertions].map(({ name }) => name))];
}
