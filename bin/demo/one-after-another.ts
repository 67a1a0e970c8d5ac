/**
 * For an idempotent producer of kafkajs. It sends one request at a time, but between a refusal and its repeat it lets other
 * requests go first, with the sequence numbers of the refused one. If that one was stored all the same, the other is taken
 * for its repeat, acknowledged as stored, and lost. So callers await the end of the previous send, including its repeats.
 */
export function oneAfterAnother(): <T>(send: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (send) => {
    const sent = last.then(send);
    last = sent.catch(() => undefined);
    return sent;
  };
}
