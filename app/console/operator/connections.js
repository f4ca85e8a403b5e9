// @ts-check
// Who is connected, of one tenant: asked for only when somebody wants to know.

import { element, fill, setText, uniqueId } from "../dom.js";
import { counted } from "../format.js";
import { Table, textColumn } from "./table.js";
import { paintTime } from "./times.js";

/** A form, and the list that it asked for. */
export class Connections {
  /** @param {import("../api.js").Api} api @param {() => number} now Unix seconds by the node's clock */
  constructor(api, now) {
    this.api = api;
    this.table = connectionTable(now);
    this.tenants = element("datalist", { id: uniqueId("tenants") });
    this.tenant = element("input", { id: uniqueId("tenant"), required: true, autocomplete: "off" });
    this.tenant.setAttribute("list", this.tenants.id);
    this.user = element("input", { id: uniqueId("user"), autocomplete: "off" });
    this.said = element("p", { class: "hint", role: "status" });
    this.fault = element("p", { class: "fault", role: "alert" });
    this.table.node.hidden = true;
    this.node = element("section", { class: "panel stack", ariaLabel: "Connections" }, element("h2", {}, "Connections"), this.#form(), this.fault, this.said, this.table.node);
  }

  /** Offers these as tenants. @param {Iterable<string>} names */
  offer(names) {
    const values = [...names].sort();
    if (values.join("\n") !== [...this.tenants.children].map((option) => option.value).join("\n")) {
      fill(this.tenants, ...values.map((value) => element("option", { value })));
    }
  }

  #form() {
    const onsubmit = (/** @type {Event} */ event) => {
      event.preventDefault();
      void this.#list();
    };
    return element(
      "form",
      { class: "filters-row", onsubmit },
      element("div", {}, element("label", { htmlFor: this.tenant.id }, "Tenant"), this.tenant, this.tenants),
      element("div", {}, element("label", { htmlFor: this.user.id }, "User (any)"), this.user),
      element("button", { type: "submit", class: "quiet" }, "List connections"),
    );
  }

  async #list() {
    const query = new URLSearchParams({ tenant: this.tenant.value });
    if (this.user.value) {
      query.set("user", this.user.value);
    }
    try {
      const { connections } = await this.api.get(`/v1/admin/connections?${query}`);
      this.table.show(connections);
      this.table.node.hidden = false;
      setText(this.said, counted(connections.length, "connection"));
      setText(this.fault, "");
    } catch (error) {
      setText(this.fault, /** @type {Error} */ (error).message);
      setText(this.said, "");
    }
  }
}

/** @param {() => number} now */
function connectionTable(now) {
  return new Table({
    label: "Connections of the tenant",
    keyOf: ({ connection_id }) => connection_id,
    empty: "Nobody of these is connected.",
    columns: [
      textColumn("Connection", ({ connection_id }) => connection_id, { isHeader: true }),
      textColumn("User", ({ user }) => user),
      textColumn("Node", ({ node_id }) => node_id),
      { title: "Connected", paint: (cell, { connected_at }) => paintTime(cell, connected_at, now()) },
      textColumn("Address", ({ source_ip }) => source_ip || "–"),
      textColumn("Program", ({ user_agent }) => user_agent || "–", {}),
    ],
  });
}
