const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** An hour: what matters is that something is due, since waiting for a signal does not keep a Node process alive. */
const KEEP_ALIVE_MS = 3_600_000;

/** Until the person, or whoever started this process, wants it to stop, or until one of the other reasons holds. */
export async function untilAskedToStop(...otherReasons: readonly Promise<unknown>[]): Promise<void> {
  const keepAlive = setInterval(() => undefined, KEEP_ALIVE_MS);
  const asked = new Promise<void>((resolve) => {
    for (const signal of STOP_SIGNALS) process.once(signal, () => resolve());
  });
  try {
    await Promise.race([asked, ...otherReasons]);
  } finally {
    clearInterval(keepAlive);
  }
}
