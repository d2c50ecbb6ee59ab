// Live updates: puts pieces of page where they belong and leaves alone what did not change, so a
// half-filled form or a half-written reply survives everybody else's votes.

import { showBoards } from "./chart.js";
import { tell } from "./toast.js";

/** A piece of page; in a template, so that nothing in it runs or loads before it is in place. */
function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.querySelector(".post");
}

const isAtBottom = () => innerHeight + scrollY > document.body.scrollHeight - 120;
const isInView = (element) => {
  const { top, bottom } = element.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
};
const toBottom = () => scrollTo({ top: document.body.scrollHeight });

/** Remember the parts as the server drew them, then show its times on this clock. */
function adopt(root) {
  for (const slot of root.querySelectorAll("[data-slot]")) slot.drawn = slot.innerHTML;
  for (const time of root.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    time.textContent = "day" in time.dataset
      ? at.toLocaleString([], { dateStyle: "medium", timeStyle: "short" })
      : at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    time.title = at.toLocaleString();
  }
  for (const yours of root.querySelectorAll(".yours")) yours.hidden = false;
}

function update(old, fresh) {
  old.className = fresh.className;
  old.ariaLabel = fresh.ariaLabel;
  for (const slot of old.querySelectorAll("[data-slot]")) {
    if (slot.closest(".post") !== old) continue; // belongs to a reply
    const next = fresh.querySelector(`[data-slot=${slot.dataset.slot}]`);
    if (next.innerHTML === slot.drawn) continue;
    const key = slot.contains(document.activeElement) && document.activeElement.dataset.key;
    adopt(next.parentElement);
    slot.replaceWith(next);
    if (key) old.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
  }
}

function insert(post, list) {
  const later = [...list.children].find((other) => Number(other.dataset.id) > Number(post.dataset.id));
  list.insertBefore(post, later ?? null);
  adopt(post);
}

function nameThread(root) {
  const count = root?.querySelectorAll(".replies > .post").length;
  const label = root?.querySelector("[data-replies]");
  if (label) label.textContent = count === 0 ? "Reply" : count === 1 ? "1 reply" : `${count} replies`;
}

/** Where a message belongs; null when that is not on this page. */
function home(feed, thread, post) {
  if (!thread) return "past" in feed.dataset ? null : feed;
  const root = document.getElementById(`m${thread}`);
  return root?.querySelector(post.matches(".whisper") ? ".whispers" : ".replies") ?? null;
}

function show(feed, { id, thread, html }) {
  const fresh = parse(html);
  const old = document.getElementById(`m${id}`);
  if (old) return update(old, fresh);
  const list = home(feed, thread, fresh);
  if (!list) return undefined;
  const wasAtBottom = isAtBottom();
  feed.querySelector(".empty")?.remove();
  insert(fresh, list);
  nameThread(fresh.parentElement.closest(".post"));
  if (fresh.matches(".whisper") && !isInView(fresh)) tell(fresh.querySelector(".words").innerText);
  if (wasAtBottom && list === feed) toBottom();
  else if (list === feed) document.querySelector(".jump").hidden = false;
  return undefined;
}

function remove({ id }) {
  const post = document.getElementById(`m${id}`);
  const root = post?.parentElement.closest(".post");
  post?.remove();
  nameThread(root);
}

function showState(state, words) {
  const link = document.querySelector(".link");
  link.dataset.state = state;
  link.querySelector(".link-words").textContent = words;
}

export function follow(feed, changed) {
  adopt(feed);
  changed();
  if (!("past" in feed.dataset)) toBottom();
  addEventListener("scroll", () => {
    if (isAtBottom()) document.querySelector(".jump").hidden = true;
  }, { passive: true });

  const source = new EventSource(`/events?as=html&after=${feed.dataset.revision}`);
  source.onopen = () => showState("on", "live");
  source.onerror = () => showState("off", "reconnecting");
  const on = (kind, react) => source.addEventListener(kind, (event) => react(JSON.parse(event.data)));
  on("message", (data) => { show(feed, data); changed(); });
  on("gone", (data) => { remove(data); changed(); });
  on("board", (board) => showBoards([board]));
  on("reset", () => location.reload());
  fetch("/api/boards").then((r) => r.json()).then(({ boards }) => showBoards(boards));
}
