// One request on the page: its progress, its outcome, a button to cancel it.

function element(tag, { text, ...attributes } = {}) {
  const node = Object.assign(document.createElement(tag), attributes);
  if (text !== undefined) {
    node.textContent = text;
  }
  return node;
}

const show = (value) => JSON.stringify(value, null, 2);

export class Card {
  isOver = false; // an outcome came, or cannot come any more
  #isAcknowledged = false;

  constructor(requestId, action, { onCancel }) {
    this.action = element("strong", { text: action });
    this.status = element("span", { className: "status", text: "sent" });
    this.bar = element("progress", { max: 100, ariaLabel: `Progress of ${action}` }); // no value yet: it moves
    this.message = element("p", { className: "message", text: "" });
    this.cancel = element("button", { type: "button", className: "quiet", text: "Cancel" });
    this.cancel.ariaLabel = `Cancel ${action}`;
    this.cancel.onclick = () => {
      this.cancel.disabled = true;
      onCancel();
    };
    const title = element("div", { className: "title" });
    title.append(this.action, this.status, this.cancel);
    this.node = element("li", { className: "card" });
    this.node.append(title, element("code", { className: "id", text: requestId }), this.bar, this.message);
    this.#mark("running");
  }

  take(frame) {
    this[`_${frame.type}`]?.(frame);
  }

  /** The connection is gone, and the outcome with it. */
  lose() {
    this.#end("lost", "The connection ended before the outcome came.");
  }

  _acknowledgment(frame) {
    this.#isAcknowledged = true;
    this.status.textContent = frame.state.toLowerCase();
  }

  _progress(frame) {
    this.bar.value = frame.percentage;
    this.status.textContent = `${Math.round(frame.percentage)} %`;
    this.message.textContent = frame.message;
  }

  _retrying(frame) {
    this.bar.removeAttribute("value");
    this.status.textContent = "retrying";
    this.message.textContent = `Attempt ${frame.attempt} failed: ${frame.error.message}`;
  }

  _cancelling() {
    this.status.textContent = "cancelling";
  }

  _response(frame) {
    this.#result(frame.data);
  }

  _complete(frame) {
    this.#result(frame.result);
  }

  _error(frame) {
    if (this.#isAcknowledged && !frame.final) {
      this.message.textContent = frame.error.message; // a refused cancel: the request goes on
      this.cancel.disabled = false;
      return;
    }
    this.#end(frame.error.code === "CANCELLED" ? "cancelled" : "failed", `${frame.error.code}: ${frame.error.message}`);
    if (frame.error.details) {
      this.node.append(element("pre", { text: show(frame.error.details) }));
    }
  }

  #result(value) {
    this.#end("done", "");
    this.bar.value = 100;
    this.node.append(element("pre", { text: show(value) }));
  }

  #end(state, message) {
    this.isOver = true;
    this.status.textContent = state;
    this.message.textContent = message;
    this.cancel.remove();
    if (!this.bar.hasAttribute("value")) {
      this.bar.value = 0; // it stands still now
    }
    this.#mark(state);
  }

  #mark(state) {
    this.node.dataset.state = state;
  }
}
