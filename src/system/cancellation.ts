/** Gives up on work when the run is cancelled; what the work holds ends with the process. */
export async function untilCancelled<T>(work: () => Promise<T>, cancelled: AbortSignal): Promise<T> {
  cancelled.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(cancelled.reason);
  cancelled.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work(), promise]);
  } finally {
    cancelled.removeEventListener('abort', onAbort);
  }
}
