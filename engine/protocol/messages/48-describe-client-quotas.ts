/** DescribeClientQuotas (key 48), v0-1: lists rates of users, client ids and addresses (KIP-546). */
import { bool, float64, int16, int32, int8, message, string, structs, type Infer } from '../schema.ts';

export const describeClientQuotasRequest = message('DescribeClientQuotasRequest', 48, '0-1', '1+', {
  components: structs({
    entityType: string('plain'),
    matchType: int8(),
    match: string('principal', { nullable: true }),
  }),
  strict: bool(),
});
export type DescribeClientQuotasRequest = Infer<typeof describeClientQuotasRequest>;

export const describeClientQuotasResponse = message('DescribeClientQuotasResponse', 48, '0-1', '1+', {
  throttleTimeMs: int32(),
  errorCode: int16(),
  errorMessage: string('errorText', { nullable: true }),
  entries: structs(
    {
      entity: structs({
        entityType: string('plain'),
        entityName: string('principal', { nullable: true }),
      }),
      values: structs({
        key: string('plain'),
        value: float64(),
      }),
    },
    { nullable: true },
  ),
});
export type DescribeClientQuotasResponse = Infer<typeof describeClientQuotasResponse>;
