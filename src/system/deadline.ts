/**
 * Seconds left of some minutes, from now on.
 *
 * @param over what is thrown, by the function returned, when none are left
 */
export function deadline(minutes: number, over: () => Error): () => number {
  const end = performance.now() + minutes * 60_000;
  return () => {
    const seconds = Math.ceil((end - performance.now()) / 1000);
    if (seconds > 0) return seconds;
    throw over();
  };
}
