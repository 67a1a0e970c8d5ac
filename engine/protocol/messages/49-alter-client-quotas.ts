/** AlterClientQuotas (key 49), v0-1: sets rates of users, client ids and addresses (KIP-546). */
import { bool, float64, int16, int32, message, string, structs, type Infer } from '../schema.ts';

export const alterClientQuotasRequest = message('AlterClientQuotasRequest', 49, '0-1', '1+', {
  entries: structs({
    entity: structs({
      entityType: string('plain'),
      entityName: string('principal', { nullable: true }),
    }),
    ops: structs({
      key: string('plain'),
      value: float64(),
      remove: bool(),
    }),
  }),
  validateOnly: bool(),
});
export type AlterClientQuotasRequest = Infer<typeof alterClientQuotasRequest>;

export const alterClientQuotasResponse = message('AlterClientQuotasResponse', 49, '0-1', '1+', {
  throttleTimeMs: int32(),
  entries: structs({
    errorCode: int16(),
    errorMessage: string('errorText', { nullable: true }),
    entity: structs({
      entityType: string('plain'),
      entityName: string('principal', { nullable: true }),
    }),
  }),
});
export type AlterClientQuotasResponse = Infer<typeof alterClientQuotasResponse>;
