// The channel: sends what people do, shows what changes.

import { follow } from "./live.js";
import { tell } from "./toast.js";

const feed = document.querySelector("#feed");
const waiting = document.querySelector(".waiting");

// --- sending -----------------------------------------------------------------------------------

/** One write; a lost connection is tried once more under the same key, so nothing counts twice. */
async function send(method, path, body = {}) {
  const key = Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("");
  const headers = {
    "Content-Type": "application/json",
    "X-CSRF-Token": feed.dataset.csrf,
    "Idempotency-Key": key,
    "X-Time-Zone": Intl.DateTimeFormat().resolvedOptions().timeZone,
  };
  const attempt = () => fetch(path, { method, headers, body: JSON.stringify(body) });
  try {
    const response = await attempt().catch(attempt);
    const answer = await response.json();
    if (!response.ok) tell(answer.error, "problem");
    else if (!answer.is_delivered) tell("Kept here. The bot reads it when it is back.");
    return response.ok;
  } catch {
    tell("Not recorded: no connection. Please press again.", "problem");
    return false;
  }
}

const messagePath = (element) => `/api/messages/${element.closest(".post").dataset.id}`;

/** Put or take a reaction, or press a button; a new answer to the same question replaces the old. */
async function answer(button) {
  const { react, press, rival, part, back } = button.dataset;
  const path = messagePath(button);
  const isPressed = button.ariaPressed === "true";
  if (react && isPressed) return send("DELETE", `${path}/reactions/${react}`);
  if (part && isPressed) return send("POST", `${path}/form`, { values: { [part]: back } });
  const rivals = button.parentElement.querySelectorAll("[data-react][data-rival][aria-pressed=true]");
  const old = rival === undefined ? [] : [...rivals].map((other) => other.dataset.react);
  const isDone = press
    ? await send("POST", `${path}/press`, { choice: press })
    : await send("POST", `${path}/reactions/${react}`);
  if (isDone) for (const other of old) await send("DELETE", `${path}/reactions/${other}`);
  return isDone;
}

async function busy(button, work) {
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true";
  await work();
  button.ariaBusy = null;
}

/** A text as it was written, also where the page folds its end away. */
const textOf = (words) =>
  words.matches(".fold")
    ? [...words.querySelectorAll("span:not(.more)")].map((span) => span.textContent).join("")
    : words.textContent;

function edit(button) {
  const post = button.closest(".post");
  const words = post.querySelector(".words");
  const form = document.querySelector(".bottom .composer").cloneNode(true);
  const [box] = form.elements;
  box.value = textOf(words);
  box.placeholder = box.ariaLabel = "Change your text";
  delete form.dataset.say;
  form.dataset.change = "";
  words.replaceWith(form);
  box.focus();
  form.leave = () => form.replaceWith(words);
  box.addEventListener("keydown", (event) => event.key === "Escape" && form.leave());
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { react, press, edit: toEdit, delete: toDelete } = button.dataset;
  if (react ?? press) busy(button, () => answer(button));
  else if (toEdit !== undefined) edit(button);
  else if (toDelete !== undefined) busy(button, () => send("DELETE", messagePath(button)));
  else if (button === waiting) focusCard(openCards().find(isUnanswered));
  else if (button.matches(".jump")) scrollTo({ top: document.body.scrollHeight });
});

document.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  const button = form.querySelector("button");
  const { say, change, form: isForm } = form.dataset;
  if (isForm !== undefined) {
    const values = Object.fromEntries(new FormData(form));
    busy(button, async () => {
      if (await send("POST", `${messagePath(form)}/form`, { values })) tell("Recorded. Thank you.");
    });
  } else if (say !== undefined) {
    const post = form.closest(".post");
    const path = post ? `${messagePath(form)}/replies` : "/api/messages";
    busy(button, async () => (await send("POST", path, { text: form.elements.text.value })) && form.reset());
  } else if (change !== undefined) {
    const text = form.elements.text.value;
    busy(button, async () => (await send("PUT", messagePath(form), { text })) && form.leave());
  }
});

// --- keys --------------------------------------------------------------------------------------

const NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
const KEYS = { y: "up", n: "down", u: "unsure", a: "a", b: "b", t: "same" };
NUMBERS.forEach((name, index) => { KEYS[(index + 1) % 10] = name; }); // 0 is the tenth
const openCards = () => [...feed.querySelectorAll(".card.is-open")];
const isUnanswered = (card) => !card.querySelector("[aria-pressed=true]:not([data-part]), .given");

function focusCard(card) {
  card?.focus({ preventScroll: true });
  card?.scrollIntoView({ block: "center" });
}

function step(by) {
  const cards = openCards();
  const here = cards.indexOf(document.activeElement.closest(".card"));
  focusCard(cards[here < 0 ? (by > 0 ? 0 : cards.length - 1) : here + by]);
}

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("textarea, .menu");
  if (event.target.matches("textarea") && event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    event.target.form.requestSubmit();
  }
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "j" || event.key === "k") return step(event.key === "j" ? 1 : -1);
  const card = document.activeElement.closest(".card.is-open");
  const votes = [...(card?.querySelectorAll(".votes .vote") ?? [])];
  const named = votes.find((v) => v.dataset.emoji === KEYS[event.key]);
  const vote = named ?? votes[Number(event.key) - 1];
  if (!vote) return;
  if (vote.dataset.part) return vote.click(); // on or off; the card waits for what is said of all
  if (!named || vote.ariaPressed !== "true") vote.click();
  if (named) step(1);
});

// --- what changes ------------------------------------------------------------------------------

function countWaiting() {
  const count = openCards().filter(isUnanswered).length;
  waiting.hidden = count === 0;
  waiting.querySelector("span").textContent = `${count} waiting`;
  document.title = document.title.replace(/^(\(\d+\) )?/, count ? `(${count}) ` : "");
}

follow(feed, countWaiting);
