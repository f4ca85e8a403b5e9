// @ts-check
// A question before what cannot be taken back.

import { button, element, uniqueId } from "../dom.js";

/**
 * Asks in a modal dialog; the answer that changes nothing has the focus, and Escape gives it too.
 *
 * @param {{ title: string, text: string, yes: string, no?: string }} question
 * @returns {Promise<boolean>}
 */
export function confirm({ title, text, yes, no = "Keep" }) {
  const id = uniqueId("question");
  const dialog = element("dialog", { class: "question", "aria-labelledby": id, "aria-describedby": `${id}-text` });
  const keep = button(no, () => dialog.close(""), { class: "quiet", autofocus: true });
  const go = button(yes, () => dialog.close("yes"), { class: "quiet danger" });
  const words = element("p", { id: `${id}-text` }, text);
  dialog.append(element("h2", { id }, title), words, element("div", { class: "row answers" }, keep, go));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}
