// @ts-check
// Tabs as the ARIA practices describe them: one is in the tab order, arrow keys, Home and End move between them.

/** A tablist whose tabs are linked to their panels by `aria-controls`. */
export class Tabs {
  #tabs;
  #onShow;

  /** @param {HTMLElement} list @param {(panel: HTMLElement, previous: HTMLElement | undefined) => void} [onShow] */
  constructor(list, onShow = () => {}) {
    this.#tabs = /** @type {HTMLElement[]} */ ([...list.querySelectorAll('[role="tab"]')]);
    this.#onShow = onShow;
    list.addEventListener("click", (event) => this.#clicked(event));
    list.addEventListener("keydown", (event) => this.#pressed(event));
  }

  /** Shows the panel of the tab, and hides the others. @param {HTMLElement} chosen */
  show(chosen) {
    const previous = this.#tabs.find((tab) => tab.ariaSelected === "true");
    for (const tab of this.#tabs) {
      tab.ariaSelected = String(tab === chosen);
      tab.tabIndex = tab === chosen ? 0 : -1;
      panelOf(tab).hidden = tab !== chosen;
    }
    if (previous !== chosen) {
      this.#onShow(panelOf(chosen), previous && panelOf(previous));
    }
  }

  /** @param {Event} event */
  #clicked(event) {
    const tab = this.#tabs.find((each) => each.contains(/** @type {Node} */ (event.target)));
    if (tab) {
      this.show(tab);
    }
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    const shown = this.#tabs.filter((tab) => !tab.hidden);
    const at = shown.indexOf(/** @type {HTMLElement} */ (event.target));
    const steps = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 };
    if (at < 0 || !(event.key in steps)) {
      return;
    }
    event.preventDefault();
    const tab = shown.at(steps[/** @type {keyof typeof steps} */ (event.key)] % shown.length);
    tab?.focus();
    if (tab) {
      this.show(tab);
    }
  }
}

/** @param {HTMLElement} tab */
function panelOf(tab) {
  return /** @type {HTMLElement} */ (document.getElementById(tab.getAttribute("aria-controls") ?? ""));
}
