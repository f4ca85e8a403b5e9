/** Time and chance, as a session needs them. */
/** What the machine says; tests bring one of their own. */
export class Clock {
    /** Milliseconds that only grow. */
    now() {
        return performance.now();
    }
    /** True after so many milliseconds; false as soon as `ended` aborts. */
    sleep(ms, ended) {
        return new Promise((resolve) => {
            if (ended?.aborted) {
                resolve(false);
                return;
            }
            const stop = () => {
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
    async after(ms, over) {
        if (!(await this.sleep(ms, over))) {
            await NEVER;
        }
    }
    /** Any number from `low` to `high`, each as likely. */
    between(low, high) {
        return low + Math.random() * (high - low);
    }
}
const NEVER = new Promise(() => undefined);
