// The log of frames: the newest on top, bounded.

const KEPT = 200;
const SHOWN_CHARACTERS = 2_000;

export class Frames {
  constructor(list) {
    this.list = list;
  }

  add(direction, frame) {
    const line = document.createElement("li");
    line.dataset.direction = direction;
    const label = document.createElement("span");
    label.className = "direction";
    label.textContent = direction === "sent" ? "→" : "←";
    label.ariaLabel = direction;
    const text = JSON.stringify(frame);
    const shown = text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
    line.append(label, ` ${shown}`);
    this.list.prepend(line);
    while (this.list.childElementCount > KEPT) {
      this.list.lastElementChild.remove();
    }
  }

  clear() {
    this.list.replaceChildren();
  }
}
