/** A real S3 server, versitygw over a folder of its own: started, stopped as by a cable that is pulled, started again. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../../infra/network/free-ports.ts';
import { cacheFolder } from '../clients/cache.ts';
import { Running, until } from '../clients/processes.ts';

/** Any will do: the server believes what it is started with. */
const credentials = { AWS_ACCESS_KEY_ID: 'headgate-test', AWS_SECRET_ACCESS_KEY: 'headgate-test-secret' };
export const bucket = 'segments';

export class S3Server {
  readonly folder: string;
  readonly port: number;
  #running: Running | undefined;

  private constructor(folder: string, port: number) {
    this.folder = folder;
    this.port = port;
  }

  /** With one empty bucket. Tells the process's environment how to log in, for itself and its children. */
  static async start(): Promise<S3Server> {
    const folder = mkdtempSync(join(tmpdir(), 's3-'));
    mkdirSync(join(folder, bucket));
    const server = new S3Server(folder, (await freePorts(1))[0]!);
    Object.assign(process.env, credentials, { AWS_REGION: 'us-east-1' });
    await server.up();
    return server;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async up(): Promise<void> {
    const program = join(cacheFolder, 'versitygw');
    if (!existsSync(program)) throw new Error('versitygw is missing: .ci/clients/setup s3');
    const environment = {
      ROOT_ACCESS_KEY: credentials.AWS_ACCESS_KEY_ID,
      ROOT_SECRET_KEY: credentials.AWS_SECRET_ACCESS_KEY,
    };
    const args = ['--port', `127.0.0.1:${this.port}`, '--quiet', 'posix', this.folder];
    this.#running = new Running(program, args, environment, () => undefined);
    await until('the S3 server answers', 20_000, async () => {
      const answer = await fetch(this.endpoint).catch(() => undefined);
      await answer?.arrayBuffer();
      return answer !== undefined;
    });
  }

  async down(): Promise<void> {
    await this.#running?.stop('SIGKILL', 5_000);
  }

  /** Names of the objects under `prefix`, as they lie on the server's disk. */
  objects(prefix: string): string[] {
    const folder = join(this.folder, bucket, prefix);
    return existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.seg')) : [];
  }

  async remove(): Promise<void> {
    await this.down();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
