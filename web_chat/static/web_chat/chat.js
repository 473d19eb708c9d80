// The chat page. It follows the conversation by short polling (304 while nothing moves), sends, and answers cards.
// Whatever came from people or models becomes text nodes, never markup.
import { Timeline } from "./timeline.js";

const IDLE_MS = 1000, BUSY_MS = 300, HIDDEN_MS = 5000, LONGEST_MS = 10000;
const byId = (id) => document.getElementById(id);
const chat = byId("chat"), form = byId("form"), box = byId("text"), stateLine = byId("state");
const usual = box.placeholder, TALK = ["edit", "ask"]; // these two leave a card open
const token = form.elements.csrfmiddlewaretoken.value;
const timeline = new Timeline({ chat, decide, resend: deliver, mayDecide: chat.dataset.mayDecide === "yes", talk: TALK });

let etag = "", since = "", earlier = "", busy = false, failures = 0, timer = 0, polling = false, queue = Promise.resolve();

async function poll() {
  clearTimeout(timer);
  if (polling) return;
  polling = true;
  try {
    const headers = etag ? { "If-None-Match": etag } : {};
    const response = await fetch(`${chat.dataset.feed}?after=${encodeURIComponent(since)}`, { headers, cache: "no-store" });
    if (response.status !== 304) show(await answerOf(response), response.headers.get("ETag"));
    trouble("");
    failures = 0;
  } catch (error) {
    failures += 1;
    if (failures > 1 || error.fromServer) trouble(error.fromServer ? error.message : "The server can't be reached; I keep trying.");
  }
  polling = false;
  timer = setTimeout(poll, pause());
}

function pause() {
  if (failures) return Math.min(IDLE_MS * 2 ** (failures - 1), LONGEST_MS);
  return document.hidden ? HIDDEN_MS : busy ? BUSY_MS : IDLE_MS;
}

function show(news, newEtag) {
  etag = newEtag;
  since = news.now;
  busy = news.busy;
  if (news.fresh) {
    timeline.clear();
    setEarlier(news.earlier);
  }
  timeline.update(news);
  byId("empty").hidden = !timeline.isEmpty;
  box.placeholder = news.wanted || usual;
  stateLine.textContent = news.state.join("\n");
  stateLine.classList.toggle("busy", busy);
}

// The answer's JSON; an Error with a sentence where the server refused.
async function answerOf(response) {
  const isJson = (response.headers.get("Content-Type") || "").includes("json");
  if (response.ok && isJson) return response.json();
  const said = isJson ? (await response.json()).error : "";
  const sentence = said || `The server answered ${response.status}. Reload the page; if it stays so, look into its log.`;
  throw Object.assign(new Error(sentence), { fromServer: true });
}

function post(url, fields) {
  const options = { method: "POST", headers: { "X-CSRFToken": token }, body: new URLSearchParams(fields) };
  return fetch(url, options).then(answerOf);
}

function sentenceOf(error) {
  return error.fromServer ? error.message : "The server can't be reached.";
}

function trouble(sentence) {
  byId("trouble").textContent = sentence;
  byId("trouble").hidden = !sentence;
}

// One after the other, so that they arrive in the order in which they were written.
function deliver(id, text) {
  timeline.pending(id, text);
  byId("empty").hidden = true;
  queue = queue.then(() => carry(id, text));
}

// `id` stays the same when it is sent again, so that the server stores it once.
async function carry(id, text) {
  try {
    const { key } = await post(chat.dataset.send, { id, text });
    timeline.arrived(id, key);
  } catch (error) {
    timeline.failed(id, text, sentenceOf(error));
  }
  poll();
}

async function decide(card, choice, note) {
  await post(chat.dataset.decide, { approval_id: card.approval, revision: card.revision, choice, note })
    .catch((error) => { throw new Error(sentenceOf(error)); })
    .finally(poll);
  if (TALK.includes(choice) && !note) box.focus(); // the words come as the next message
}

function setEarlier(cursor) {
  earlier = cursor;
  byId("earlier").hidden = !cursor;
}

byId("earlier").addEventListener("click", async () => {
  byId("earlier").disabled = true;
  try {
    const page = await fetch(`${chat.dataset.feed}?before=${encodeURIComponent(earlier)}`, { cache: "no-store" }).then(answerOf);
    timeline.prepend(page);
    setEarlier(page.earlier);
  } catch (error) {
    trouble(sentenceOf(error));
  }
  byId("earlier").disabled = false;
});

function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function grow() {
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight + 2}px`;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = box.value.trim();
  if (!text) return;
  box.value = "";
  grow();
  deliver(newId(), text);
});

box.addEventListener("input", grow);
box.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
});

for (const button of document.querySelectorAll(".try")) {
  button.addEventListener("click", () => deliver(newId(), button.textContent));
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) poll(); });
poll();
