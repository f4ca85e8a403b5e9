/** What a browser knows of its network and of its page. */

/** As far as this is a browser; elsewhere there are no such events. */
interface Page extends EventTarget {
  readonly document?: EventTarget & { readonly visibilityState: string };
}

/**
 * Calls `wake` when the network is back, and when the page is looked at again: a machine that slept, or a page that the
 * browser had put aside, has lost its sockets without hearing of it. Calls `doubt` when the network is said to be gone,
 * which need not be so. What is returned ends that.
 */
export function listen(wake: () => void, doubt: () => void, page: Page = globalThis as unknown as Page): () => void {
  const { document } = page;
  if (document === undefined) {
    return () => undefined;
  }
  const seen = (): void => {
    if (document.visibilityState === "visible") {
      wake();
    }
  };
  page.addEventListener("online", wake);
  page.addEventListener("offline", doubt);
  page.addEventListener("pageshow", seen);
  document.addEventListener("visibilitychange", seen);
  return () => {
    page.removeEventListener("online", wake);
    page.removeEventListener("offline", doubt);
    page.removeEventListener("pageshow", seen);
    document.removeEventListener("visibilitychange", seen);
  };
}
