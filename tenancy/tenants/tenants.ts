/** The life of a tenant: created together with the claim on its name, removed when it has no cluster in any state. */
import { StoreConflict, type StoreOp } from '../../engine/ports.ts';
import { getSurely, type Persistence, transactSurely } from '../../engine/store-surely.ts';
import { AlreadyExists, NotEmpty, NotFound } from '../failures.ts';
import { newTenantId } from '../ids.ts';
import { checkName } from '../names.ts';
import { encodeNameClaim, tenantNameKey } from '../rows/name-claim.ts';
import { decodeTenant, encodeTenant, type TenantRow, tenantKey } from '../rows/tenant.ts';
import type { TenantView } from '../tenancy.ts';
import type { WatchedRows } from '../watched-rows.ts';
import { untilNoConflict } from '../write-rows.ts';

export interface TenantsOptions {
  readonly persistence: Persistence;
  readonly rows: WatchedRows<TenantRow>;
  readonly storeWaitMsMax: number;
}

export class Tenants {
  readonly #options: TenantsOptions;

  constructor(options: TenantsOptions) {
    this.#options = options;
  }

  /** In order of creation. */
  list(): TenantView[] {
    const views: TenantView[] = [];
    for (const [tenantId, { value }] of this.#options.rows.entries()) views.push(viewOf(tenantId, value));
    return views.sort((a, b) => a.createdAtMs - b.createdAtMs || (a.tenantId < b.tenantId ? -1 : 1));
  }

  /** Throws InvalidRequest, AlreadyExists. */
  async create(name: string): Promise<TenantView> {
    checkName('name', name);
    const { clock, random } = this.#options.persistence;
    const row: TenantRow = { name, clusters: 0, createdAtMs: clock.wallMs() };
    return untilNoConflict(async () => {
      const tenantId = newTenantId(random);
      try {
        await this.#write([
          { op: 'put', key: tenantNameKey(name), value: encodeNameClaim({ id: tenantId }), if: { absent: true } },
          { op: 'put', key: tenantKey(tenantId), value: encodeTenant(row), if: { absent: true } },
        ]);
      } catch (error) {
        if (error instanceof StoreConflict && error.index === 0) throw new AlreadyExists('tenant', name);
        throw error;
      }
      this.#options.rows.put(tenantId, row, 1);
      return viewOf(tenantId, row);
    });
  }

  /** Throws NotFound, and NotEmpty while it has clusters. */
  async delete(tenantId: string): Promise<void> {
    const { persistence, rows, storeWaitMsMax } = this.#options;
    const key = tenantKey(tenantId);
    await untilNoConflict(async () => {
      const row = tenantId === '' ? undefined : await getSurely(persistence, key, storeWaitMsMax);
      if (!row) throw new NotFound('tenant', tenantId);
      const { clusters, name } = decodeTenant(row);
      if (clusters > 0) {
        throw new NotEmpty(
          `the tenant has ${clusters === 1 ? '1 cluster' : `${clusters} clusters`}: delete them first`,
        );
      }
      await this.#write([
        { op: 'delete', key, if: { version: row.version } },
        { op: 'delete', key: tenantNameKey(name) },
      ]);
    });
    rows.remove(tenantId);
  }

  #write(ops: readonly StoreOp[]): Promise<void> {
    return transactSurely(this.#options.persistence, ops, this.#options.storeWaitMsMax);
  }
}

function viewOf(tenantId: string, { name, createdAtMs }: TenantRow): TenantView {
  return { tenantId, name, createdAtMs };
}
