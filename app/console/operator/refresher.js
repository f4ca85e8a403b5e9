// @ts-check
// When to ask the node again: while somebody can see the answer, and never twice at once.

const EVERY_MS = 2_000;

/** Repeats a refresh, 2 s after the end of the one before. */
export class Refresher {
  #refresh;
  #isShown = false;
  #isBusy = false;
  #isWanted = false;
  /** @type {number | undefined} */
  #timer;

  /** @param {() => Promise<boolean>} refresh resolves to whether to go on by itself; never rejects */
  constructor(refresh) {
    this.#refresh = refresh;
    document.addEventListener("visibilitychange", () => this.now());
  }

  /** Asks now, and then again and again. */
  show() {
    this.#isShown = true;
    this.now();
  }

  /** No refresh begins from now on. */
  hide() {
    this.#isShown = false;
    clearTimeout(this.#timer);
  }

  /** Asks at once, or at the end of the refresh that is under way. */
  now() {
    clearTimeout(this.#timer);
    this.#isWanted = true;
    if (!this.#isBusy) {
      void this.#run();
    }
  }

  async #run() {
    this.#isBusy = true;
    let goesOn = false;
    while (this.#isWanted && this.#isVisible) {
      this.#isWanted = false;
      goesOn = await this.#refresh();
    }
    this.#isBusy = false;
    if (goesOn && this.#isVisible) {
      this.#timer = setTimeout(() => this.now(), EVERY_MS);
    }
  }

  get #isVisible() {
    return this.#isShown && document.visibilityState === "visible";
  }
}
