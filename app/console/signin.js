// @ts-check
// The form that asks who uses the page: a token, or where the node makes development tokens, a name.

import { button, element, fill, setText } from "./dom.js";
import { Identity } from "./identity.js";

const PERMISSIONS = "*";

/** Asks until `enter` has taken somebody in. */
export class SignIn {
  #enter;
  #fault = element("p", { class: "fault", role: "alert" });

  /**
   * @param {HTMLElement} root
   * @param {{ makesTokens: boolean, enter: (identity: Identity) => Promise<void> }} options
   *   `enter`: rejects with what is then shown
   */
  constructor(root, { makesTokens, enter }) {
    this.root = root;
    this.makesTokens = makesTokens;
    this.#enter = enter;
  }

  /** @param {string} [fault] why the page asks (again) */
  show(fault = "") {
    const title = element("h2", { id: "sign-in-title" }, "Sign in");
    const forms = this.makesTokens ? [this.#personForm(), this.#otherwise()] : [this.#tokenForm()];
    fill(this.root, element("div", { class: "panel stack" }, title, ...forms, this.#fault));
    setText(this.#fault, fault);
    this.root.hidden = false;
    this.root.querySelector("input")?.focus();
  }

  hide() {
    this.root.hidden = true;
    fill(this.root);
  }

  #otherwise() {
    return element("details", {}, element("summary", {}, "I have a token"), this.#tokenForm());
  }

  #personForm() {
    const user = field("User", { name: "user", value: "ann", required: true, autocomplete: "username" });
    const tenant = field("Tenant", { name: "tenant", value: "acme", required: true });
    const permissions = field(
      "Permissions",
      { name: "permissions", value: PERMISSIONS },
      "separated by spaces; * is all of them",
    );
    const hint = element("p", { class: "hint" }, "This node makes development tokens: say who you are.");
    const form = element("form", {}, hint, user, tenant, permissions, element("button", {}, "Sign in"));
    this.#onSubmit(form, (data) =>
      Identity.ofPerson({
        user: text(data, "user"),
        tenant: text(data, "tenant"),
        permissions: text(data, "permissions")
          .split(/[\s,]+/)
          .filter(Boolean),
      }),
    );
    return form;
  }

  #tokenForm() {
    const props = {
      name: "token",
      type: "password",
      required: true,
      autocomplete: "off",
      spellcheck: false,
      class: "mono",
    };
    const form = element(
      "form",
      {},
      field("Token", props, "a JWT; kept in this tab only"),
      element("button", {}, "Use the token"),
    );
    this.#onSubmit(form, async (data) => Identity.ofToken(text(data, "token")));
    return form;
  }

  /** @param {HTMLFormElement} form @param {(data: FormData) => Promise<Identity>} identify */
  #onSubmit(form, identify) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const submit = /** @type {HTMLButtonElement} */ (form.querySelector("button"));
      submit.disabled = true;
      try {
        await this.#enter(await identify(new FormData(form)));
      } catch (error) {
        setText(this.#fault, /** @type {Error} */ (error).message);
      } finally {
        submit.disabled = false;
      }
    });
  }

  /**
   * There is nobody to ask for, but the way in failed: it can be tried again.
   *
   * @param {string} fault
   * @param {() => unknown} again
   */
  showFailure(fault, again) {
    const title = element("h2", { id: "sign-in-title" }, "Not connected");
    setText(this.#fault, fault);
    fill(this.root, element("div", { class: "panel stack" }, title, this.#fault, button("Try again", again)));
    this.root.hidden = false;
  }
}

/** @param {string} label @param {Record<string, any>} props @param {string} [hint] */
function field(label, props, hint) {
  const id = `sign-in-${props["name"]}`;
  const hinted = hint === undefined ? {} : { "aria-describedby": `${id}-hint` };
  return element(
    "div",
    { class: "stack" },
    element("label", { htmlFor: id }, label),
    element("input", { id, ...props, ...hinted }),
    hint === undefined ? null : element("p", { class: "hint", id: `${id}-hint` }, hint),
  );
}

/** @param {FormData} data @param {string} name */
function text(data, name) {
  return String(data.get(name) ?? "").trim();
}
