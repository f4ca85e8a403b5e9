/** Time and chance, as a session needs them. */

/** What the machine says; tests bring one of their own. */
export class Clock {
  /** Milliseconds that only grow. */
  now(): number {
    return performance.now();
  }

  /** True after so many milliseconds; false as soon as `ended` aborts. */
  sleep(ms: number, ended?: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      if (ended?.aborted) {
        resolve(false);
        return;
      }
      const stop = (): void => {
        clearTimeout(timer);
        resolve(false);
      };
      const timer = setTimeout(() => {
        ended?.removeEventListener("abort", stop);
        resolve(true);
      }, ms);
      ended?.addEventListener("abort", stop, { once: true });
    });
  }

  /** Resolves after so many milliseconds; never where `over` aborts before. For races. */
  async after(ms: number, over: AbortSignal): Promise<void> {
    if (!(await this.sleep(ms, over))) {
      await NEVER;
    }
  }

  /** Any number from `low` to `high`, each as likely. */
  between(low: number, high: number): number {
    return low + Math.random() * (high - low);
  }
}

const NEVER = new Promise<never>(() => undefined);
