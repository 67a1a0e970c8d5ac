/**
 * For an idempotent producer of kafkajs. It sends one request at a time, but between a refusal and its repeat it lets others
 * go first, with the numbers that the refused one had: if that was stored all the same, the other is taken for its repeat,
 * told that it is stored, and lost. So who sends over it awaits the end of the send before, its repeats included.
 */
export function oneAfterAnother(): <T>(send: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (send) => {
    const sent = last.then(send);
    last = sent.catch(() => undefined);
    return sent;
  };
}
