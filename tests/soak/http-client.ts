/** Plain node:http with kept connections: fetch costs more than what it measures here. */
import { Agent, request } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export const requestWaitMsMax = 60_000;

export class HttpClient {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #bases: readonly string[];
  readonly #apiKey: string;
  #turn = 0;

  /** `bases`: the addresses of gateways, tried in turn. */
  constructor(bases: readonly string[], apiKey: string) {
    this.#bases = bases;
    this.#apiKey = apiKey;
  }

  /** The gateway to ask next. */
  get base(): string {
    return this.#bases[this.#turn % this.#bases.length]!;
  }

  /** Rejects if there is no answer, for whatever reason; from then on the next gateway is asked. */
  async ask(
    ...asked: [method: string, path: string, headers?: Record<string, string>, body?: string]
  ): Promise<Answer> {
    const turn = this.#turn;
    try {
      return await this.#askOnce(...asked);
    } catch (cause) {
      this.#turn = turn + 1;
      throw cause;
    }
  }

  #askOnce(method: string, path: string, headers: Record<string, string> = {}, body?: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const asking = request(
        `${this.base}${path}`,
        {
          method,
          agent: this.#agent,
          headers: { authorization: `Bearer ${this.#apiKey}`, ...headers },
          timeout: requestWaitMsMax,
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (part: string) => (text += part));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
          response.on('error', reject);
          response.on('aborted', () => reject(new Error('aborted')));
        },
      );
      asking.on('error', reject);
      asking.on('timeout', () => asking.destroy(new Error('no answer in time')));
      asking.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Whether the answer promises that nothing was stored. */
export function hadNoEffect(problem: { readonly side_effects?: string } | undefined): boolean {
  return problem?.side_effects === 'none';
}
