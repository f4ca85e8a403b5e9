// @ts-check
// Choosing an action, filling in its payload, and sending it.

import { badge, element, fill, setText, uniqueId } from "../dom.js";
import { PayloadEditor } from "./editor.js";
import { CallOptions } from "./options.js";

/** @typedef {{ name: string, description: string, mode: string, permission: string | null, payload: any }} Action */
/** @typedef {{ action: string, payload: unknown, id?: string, options?: object }} Call */

/** The form for a call. */
export class Caller {
  /** @type {Map<string, Action>} */
  #actions = new Map();
  /** @type {Map<string, string>} what was filled in for the actions that are not shown */
  #drafts = new Map();
  #shown = "";

  /** @param {(call: Call) => void} onCall throws what is then shown */
  constructor(onCall) {
    this.onCall = onCall;
    const id = uniqueId("action");
    this.choice = element("select", { id, onchange: () => this.#choose() });
    this.about = element("p", { class: "hint" });
    this.facts = element("p", { class: "row" });
    this.editor = new PayloadEditor();
    this.options = new CallOptions();
    this.fault = element("p", { class: "fault", role: "alert" });
    this.send = element("button", { disabled: true }, "Call");
    const shortcut = element("span", { class: "hint" }, "or Ctrl Enter");
    this.form = element(
      "form",
      {
        noValidate: true,
        onsubmit: (/** @type {Event} */ event) => this.#submit(event),
        onkeydown: (/** @type {KeyboardEvent} */ event) => this.#pressed(event),
      },
      element(
        "div",
        { class: "field" },
        element("label", { htmlFor: id }, "Action"),
        this.choice,
        this.about,
        this.facts,
      ),
      this.editor.node,
      this.options.node,
      element("div", { class: "row" }, this.send, shortcut),
      this.fault,
    );
    this.node = element(
      "section",
      { class: "panel stack", ariaLabel: "Call an action" },
      element("h2", {}, "Call an action"),
      this.form,
    );
  }

  /** @param {Action[]} actions */
  use(actions) {
    this.#actions = new Map(actions.map((action) => [action.name, action]));
    fill(this.choice, ...actions.map(({ name }) => element("option", { value: name }, name)));
    this.send.disabled = actions.length === 0;
    setText(this.fault, actions.length === 0 ? "There is no action that you may call." : "");
    if (this.#actions.has(this.#shown)) {
      this.choice.value = this.#shown;
    } else {
      this.#choose();
    }
  }

  /** @param {string} message */
  fail(message) {
    setText(this.fault, message);
  }

  #choose() {
    if (this.#shown) {
      this.#drafts.set(this.#shown, this.editor.draft);
    }
    const action = this.#actions.get(this.choice.value);
    if (action === undefined) {
      return;
    }
    this.#shown = action.name;
    setText(this.about, action.description ?? "");
    fill(this.facts, badge(action.mode), action.permission && badge(`needs ${action.permission}`));
    setText(this.fault, "");
    this.editor.use(action.payload, this.#drafts.get(action.name));
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    setText(this.fault, "");
    const payload = this.#isValid() ? this.editor.read() : undefined;
    if (payload === undefined) {
      return;
    }
    try {
      this.onCall({ action: this.#shown, payload, id: this.options.requestId, options: this.options.read() });
    } catch (error) {
      this.fail(/** @type {Error} */ (error).message);
    }
  }

  /** Native validation, save that of a form whose JSON was edited by hand: that is the server's to judge. */
  #isValid() {
    const controls = [...this.form.elements].filter(
      (each) => !(this.editor.isFromJson && this.editor.formPlace.contains(each)),
    );
    const wrong = controls.find((each) => !each.checkValidity());
    if (wrong === undefined) {
      return true;
    }
    wrong.closest("details")?.setAttribute("open", "");
    wrong.reportValidity();
    return false;
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.form.requestSubmit();
    }
  }
}
