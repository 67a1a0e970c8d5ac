/** Where .ci/clients/setup puts what the client tests need; ignored by git. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const clientsFolder = dirname(fileURLToPath(import.meta.url));
export const cacheFolder = join(dirname(dirname(clientsFolder)), '.cache', 'clients');
