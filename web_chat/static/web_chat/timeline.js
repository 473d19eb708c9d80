// The conversation on the page: items in the order of their time, each replaced when it changes.

const NEAR_THE_END = 120;

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

// Commands ("$ …") and what stands between ``` lines are set as code; everything else is the text as it is.
function fill(element, text) {
  element.replaceChildren();
  let lines = [], fenced = false;
  const flush = () => {
    if (lines.length) element.append(make("div", fenced ? "code" : "", lines.join("\n")));
    lines = [];
  };
  for (const line of text.split("\n")) {
    if (line.startsWith("```")) {
      flush();
      fenced = !fenced;
    } else if (line.startsWith("$ ") && !fenced) {
      flush();
      element.append(make("div", "code", line));
    } else lines.push(line);
  }
  flush();
}

function clock(iso) {
  const at = new Date(iso), today = new Date().toDateString() === at.toDateString();
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return today ? time : `${at.toLocaleDateString([], { dateStyle: "medium" })}, ${time}`;
}

export class Timeline {
  constructor({ chat, decide, resend, mayDecide, talk }) {
    Object.assign(this, { chat, decide, resend, mayDecide, talk });
    this.list = chat.querySelector("#timeline");
    this.draft = chat.querySelector("#draft");
    this.shown = new Map(); // key to { element, item }
  }

  get isEmpty() {
    return this.list.childElementCount === 0;
  }

  clear() {
    for (const [key, { element, item }] of this.shown) {
      if (!item.local) { element.remove(); this.shown.delete(key); }
    }
  }

  update({ items, cards, draft }) {
    const atEnd = this.chat.scrollHeight - this.chat.scrollTop - this.chat.clientHeight < NEAR_THE_END;
    for (const item of items) this.put(item);
    this.close(new Set(cards));
    this.draft.hidden = !draft;
    if (draft) fill(this.draft.querySelector(".text"), draft);
    if (atEnd) this.toEnd();
  }

  prepend({ items, cards }) {
    const height = this.chat.scrollHeight;
    for (const item of items) this.put(item);
    this.close(new Set(cards));
    this.chat.scrollTop += this.chat.scrollHeight - height;
  }

  toEnd() {
    this.chat.scrollTop = this.chat.scrollHeight;
  }

  put(item) {
    const known = this.shown.get(item.key);
    if (known && known.item.text === item.text && known.item.job === item.job && !known.item.local) return;
    const element = this.render(item);
    if (known) known.element.remove();
    this.shown.set(item.key, { element, item });
    const later = [...this.list.children].find((other) => other.dataset.at > item.at);
    this.list.insertBefore(element, later || null);
  }

  render(item) {
    const element = make("li", item.mine ? "item mine" : "item");
    element.dataset.at = item.at;
    const bubble = make("div", "bubble"), text = make("div", "text");
    if (item.mine) text.textContent = item.text;
    else fill(text, item.text);
    bubble.append(text);
    if (item.card && item.card.choices.length) bubble.append(this.buttons(item.card, element));
    element.append(bubble);
    if (!item.local) element.append(this.meta(item));
    return element;
  }

  meta(item) {
    const line = make("p", "meta"), time = make("time", "", clock(item.at));
    time.dateTime = item.at;
    line.append(time);
    if (item.job && !item.mine) {
      const link = item.job_url ? Object.assign(make("a", "", `job ${item.job}`), { href: item.job_url }) : `job ${item.job}`;
      line.append(" · ", link);
    }
    return line;
  }

  buttons(card, element) {
    element.classList.add("open");
    const row = make("div", "buttons"), note = make("input");
    row.dataset.approval = card.approval;
    if (!this.mayDecide) {
      row.append(make("p", "label", "Waits for somebody who may decide."));
      return row;
    }
    if (card.choices.some(([word]) => word === "skip" || word === "edit")) {
      Object.assign(note, { type: "text", maxLength: 1000, placeholder: card.kind === "question" ? "Your answer" : "What to change or ask, or why not" });
      note.setAttribute("aria-label", note.placeholder);
      row.append(note);
    }
    card.choices.forEach(([word, label], index) => {
      const button = make("button", index === 0 ? "main" : "", label);
      button.type = "button";
      button.addEventListener("click", () => this.press(row, card, word, note));
      row.append(button);
    });
    return row;
  }

  async press(row, card, word, note) {
    const enable = (yes) => row.querySelectorAll("button").forEach((button) => { button.disabled = !yes; });
    enable(false);
    row.querySelector(".problem")?.remove();
    try {
      await this.decide(card, word, note.value.trim());
      if (!this.talk.includes(word)) return; // answered: the next look takes the buttons off
      note.value = "";
    } catch (error) {
      row.append(make("p", "problem", error.message));
    }
    enable(true);
  }

  // Takes the buttons off whatever no longer waits for an answer, or has them further below once more.
  close(open) {
    const waiting = new Set(open);
    for (const row of [...this.list.querySelectorAll(".buttons")].reverse()) {
      if (waiting.delete(Number(row.dataset.approval))) continue;
      row.closest(".item").classList.remove("open");
      const problem = row.querySelector(".problem");
      if (problem) row.replaceWith(problem);
      else row.remove();
    }
  }

  pending(id, text) {
    this.local(id, text).classList.add("pending");
  }

  failed(id, text, sentence) {
    const element = this.local(id, text), again = make("button", "quiet", "Send again");
    again.type = "button";
    again.addEventListener("click", () => this.resend(id, text));
    element.append(make("p", "problem", sentence), again);
  }

  // What was sent is stored: it goes on under the server's key, and the next look brings the server's own time.
  arrived(id, key) {
    const { element, item } = this.shown.get(id);
    this.shown.delete(id);
    if (!key || this.shown.has(key)) return element.remove();
    element.classList.remove("pending");
    this.shown.set(key, { element, item });
  }

  local(id, text) {
    this.shown.get(id)?.element.remove();
    const item = { key: id, mine: true, text, at: "~", local: true }; // "~" sorts behind every time
    const element = this.render(item);
    this.shown.set(id, { element, item });
    this.list.append(element);
    this.toEnd();
    return element;
  }
}
