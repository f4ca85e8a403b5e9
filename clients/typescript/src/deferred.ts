/** A promise that somebody else settles. Nobody has to wait for it: its rejection counts as seen. */
export class Deferred<T> {
  resolve!: (value: T) => void;
  reject!: (reason: unknown) => void;
  readonly promise = new Promise<T>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });

  constructor() {
    this.promise.catch(() => undefined);
  }
}

/** Wakes everybody who waits for a change of something. */
export class Signal {
  #next = new Deferred<void>();

  /** Resolves at the next `fire`, or when `ended` aborts. */
  wait(ended?: AbortSignal): Promise<void> {
    const next = this.#next.promise;
    return ended === undefined ? next : Promise.race([next, aborted(ended)]);
  }

  fire(): void {
    this.#next.resolve();
    this.#next = new Deferred();
  }
}

const promises = new WeakMap<AbortSignal, Promise<void>>();

/** Resolves when the signal aborts. One promise for each signal: who waits often does not add a listener each time. */
export function aborted(signal: AbortSignal): Promise<void> {
  let promise = promises.get(signal);
  if (promise === undefined) {
    promise = new Promise((resolve) => {
      if (signal.aborted) {
        resolve();
      } else {
        signal.addEventListener("abort", () => resolve(), { once: true });
      }
    });
    promises.set(signal, promise);
  }
  return promise;
}
