// The console page: connect, call an action, watch what comes back.

import { Card } from "./card.js";
import { Connection } from "./connection.js";
import { demos } from "./demos.js";
import { Frames } from "./frames.js";

const TOKEN = "streamer.token"; // in sessionStorage: forgotten with the tab
const CARDS = 100;

const get = (id) => document.getElementById(id);
const state = get("state");
const token = get("token");
const connectButton = get("connect-button");
const demo = get("demo");
const action = get("action");
const payload = get("payload");
const payloadError = get("payload-error");
const callButton = get("call-button");
const list = get("requests");

const frames = new Frames(get("frames"));
const cards = new Map(); // by request id, the oldest first
const connection = new Connection({ onState, onFrame });

function onState(name, text) {
  state.dataset.state = name;
  state.textContent = text;
  connectButton.textContent = name === "closed" ? "Connect" : "Disconnect";
  callButton.disabled = name !== "open";
  if (name === "closed") {
    for (const card of cards.values()) {
      if (!card.isOver) {
        card.lose();
      }
    }
  }
}

function onFrame(direction, frame) {
  if (frame.type !== "pong") {
    frames.add(direction, frame);
  }
  const card = direction === "received" && cards.get(frame.request_id);
  if (card && !card.isOver) {
    card.take(frame);
  }
}

function call() {
  const content = readPayload();
  if (content === undefined || !connection.isOpen) {
    return;
  }
  const id = crypto.randomUUID?.() ?? `console-${Date.now()}-${Math.random().toString(36).slice(2)}`;
  const card = new Card(id, action.value, { onCancel: () => cancel(id) });
  cards.set(id, card);
  list.prepend(card.node);
  forgetOldCards();
  connection.send({ type: "request", id, action: action.value, payload: content });
}

function cancel(id) {
  if (connection.isOpen) {
    connection.send({ type: "cancel", request_id: id });
  }
}

function readPayload() {
  try {
    const content = JSON.parse(payload.value || "{}");
    setPayloadError("");
    return content;
  } catch (error) {
    setPayloadError(`The payload is not JSON: ${error.message}`);
    payload.focus();
    return undefined;
  }
}

function setPayloadError(text) {
  payloadError.textContent = text;
  payload.ariaInvalid = text ? "true" : "false";
}

function forgetOldCards() {
  get("no-requests").hidden = cards.size > 0;
  for (const [id, card] of cards) {
    if (cards.size <= CARDS) {
      break;
    }
    if (card.isOver) {
      forget(id, card);
    }
  }
}

function forget(id, card) {
  card.node.remove();
  cards.delete(id);
}

function fillIn() {
  action.value = demo.value;
  payload.value = JSON.stringify(demos[demo.value], null, 2);
  setPayloadError("");
}

get("connect").onsubmit = (event) => {
  event.preventDefault();
  if (state.dataset.state !== "closed") {
    connection.close();
    return;
  }
  sessionStorage.setItem(TOKEN, token.value);
  connection.open(token.value.trim());
};
get("call").onsubmit = (event) => {
  event.preventDefault();
  call();
};
payload.onkeydown = (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    get("call").requestSubmit();
  }
};
demo.onchange = fillIn;
get("clear-frames").onclick = () => frames.clear();
get("clear-requests").onclick = () => {
  for (const [id, card] of cards) {
    if (card.isOver) {
      forget(id, card);
    }
  }
  get("no-requests").hidden = cards.size > 0;
};

for (const name of Object.keys(demos)) {
  demo.append(new Option(name));
}
fillIn();
token.value = sessionStorage.getItem(TOKEN) ?? "";
