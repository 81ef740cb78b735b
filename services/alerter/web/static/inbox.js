// Makes the inbox fast: keyboard shortcuts, cases beside the list without a page load, a list that stays up to date.
// Progressive enhancement: everything is also a link or a form that works without it.
"use strict";

const inbox = document.getElementById("inbox");
const reading = document.getElementById("reading");
const keys = document.getElementById("keys");
const connection = document.getElementById("connection");
const wide = window.matchMedia("(min-width: 60rem)");

const rows = () => [...document.querySelectorAll("#rows .row")];
const current = () => document.querySelector('#rows .row[aria-current="true"]');
const shownCase = () => document.getElementById("case");

// Times in the reader's zone and language, the zone named on hover -------------------------------------------------

const short = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const whole = new Intl.DateTimeFormat(undefined, {
  weekday: "long", year: "numeric", month: "long", day: "numeric", hour: "numeric", minute: "2-digit", timeZoneName: "long",
});

function localize(within) {
  for (const time of within.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    time.textContent = short.format(moment);
    time.title = whole.format(moment);
  }
}

// Fetching parts of the page ---------------------------------------------------------------------------------------

class SignedOut extends Error {}

async function part(address) {
  const response = await fetch(address, { credentials: "same-origin", headers: { Accept: "text/html" } });
  if (response.redirected) throw new SignedOut();
  if (!response.ok && response.status !== 404) throw new Error(`status ${response.status}`);
  const template = document.createElement("template");
  template.innerHTML = await response.text();
  localize(template.content);
  return template.content;
}

function partAddress(row) {
  const address = new URL(row.href);
  address.pathname = address.pathname.replace("/cases/", "/parts/cases/");
  return address;
}

// Keeps the focus when the content around it is replaced: a link or button is identified by its target.
const targetOf = (element) =>
  [element.localName, element.getAttribute("href"), element.closest("details")?.id, element.closest("form")?.dataset.action].join();

function replace(old, fresh) {
  const within = () => [...old.querySelectorAll("a, button, summary")];
  const place = within().indexOf(document.activeElement);
  const goal = place === -1 ? null : targetOf(document.activeElement);
  old.replaceChildren(...fresh.childNodes);
  if (goal === null) return;
  const now = within();
  const same = now.find((one) => targetOf(one) === goal) ?? now[Math.min(place, now.length - 1)];
  same?.focus({ preventScroll: true });
}

function mark(list, caseId) {
  for (const row of list.querySelectorAll(".row")) {
    row.removeAttribute("aria-current");
    if (row.dataset.case === caseId) row.setAttribute("aria-current", "true");
  }
}

let fetches = 0;
let loading = Promise.resolve();

async function selectCase(row) {
  mark(document, row.dataset.case);
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
  if (!wide.matches) return;
  const mine = ++fetches;
  reading.setAttribute("aria-busy", "true");
  try {
    const content = await part(partAddress(row));
    if (mine !== fetches) return; // another case was selected in the meantime
    keepDrafts();
    reading.replaceChildren(content);
    restoreDrafts();
    history.replaceState(null, "", row.href);
  } catch {
    if (mine === fetches) reading.replaceChildren(loadFailure(row.href));
  } finally {
    if (mine === fetches) reading.removeAttribute("aria-busy");
  }
  if (reading.getBoundingClientRect().top < 0) reading.scrollIntoView();
}

function loadFailure(address) {
  const notice = document.createElement("div");
  const link = document.createElement("a");
  notice.className = "notice error";
  notice.setAttribute("role", "alert");
  link.href = address;
  link.textContent = "Try again";
  notice.append("This case cannot be shown right now: the server is not responding. ", link);
  return notice;
}

// A text that is too long stays as it is, and says by how much ------------------------------------------------------

reading.addEventListener("input", ({ target }) => {
  const most = Number(target.dataset.most);
  if (!most) return;
  const count = [...target.value].length;
  const words = (number) => number.toLocaleString("en");
  const over = count - most;
  document.getElementById(target.getAttribute("aria-describedby")).textContent =
    over > 0 ? `${words(over)} characters too many: at most ${words(most)}`
    : over > -500 ? `${words(-over)} characters left`
    : `At most ${words(most)} characters`;
  document.getElementById(target.getAttribute("aria-describedby")).toggleAttribute("data-over", over > 0);
  target.setCustomValidity(over > 0 ? `Shorten this by ${words(over)} characters.` : "");
});

// Live updates without layout jumps ---------------------------------------------------------------------------------

const openForm = () => reading.querySelector("details[name=action][open]");
const changedFields = () => [...reading.querySelectorAll("textarea")].filter((field) => field.value !== field.defaultValue);
const isWriting = () => openForm() !== null || changedFields().length > 0;

// A draft started in one case is restored when the reader returns to it from another.
const drafts = new Map();

function keepDrafts() {
  for (const field of changedFields()) drafts.set(`${shownCase().dataset.case} ${field.id}`, field.value);
}

function restoreDrafts() {
  for (const field of reading.querySelectorAll("textarea")) {
    const draft = `${shownCase().dataset.case} ${field.id}`;
    field.value = drafts.get(draft) ?? field.value;
    drafts.delete(draft);
  }
}

async function refreshList() {
  const content = await part(new URL(inbox.dataset.list, location.href));
  // No await from here on: the selection and focus must be the current ones, not those when the list was fetched.
  const selected = current()?.dataset.case ?? shownCase()?.dataset.case;
  const list = document.querySelector(".list");
  const scrolled = list.scrollTop;
  mark(content, selected);
  for (const fresh of content.querySelectorAll("[data-live]")) {
    const old = document.getElementById(fresh.id);
    if (old.innerHTML !== fresh.innerHTML) replace(old, fresh);
  }
  list.scrollTop = scrolled;
  const row = current();
  const shown = shownCase();
  if (row && row.dataset.case === shown?.dataset.case && row.dataset.sequence !== shown.dataset.sequence) await refreshCase(row);
}

async function refreshCase(row) {
  const mine = fetches;
  const content = isWriting() ? null : await part(partAddress(row));
  if (mine !== fetches) return; // a case was selected in the meantime
  if (content && !isWriting()) replace(reading, content);
  else if (!document.getElementById("case-changed")) {
    const notice = document.createElement("p");
    notice.id = "case-changed";
    notice.className = "notice";
    notice.setAttribute("role", "status");
    notice.textContent = "This case has changed while you were writing. What you send now will be rejected, but not lost.";
    shownCase().prepend(notice);
  }
}

async function poll() {
  if (!document.hidden) {
    try {
      await refreshList();
      connection.textContent = "";
    } catch (problem) {
      if (problem instanceof SignedOut && !isWriting()) location.reload(); // a reload leads to the sign-in page
      connection.textContent = problem instanceof SignedOut
        ? "You have been signed out. Sign in again in another tab, then send what you are writing here."
        : "Not up to date: the server is not responding. Retrying…";
    }
  }
  setTimeout(poll, Number(inbox.dataset.refreshSeconds) * 1000);
}

// Keys -------------------------------------------------------------------------------------------------------------

function move(by) {
  const all = rows();
  const at = all.findIndex((row) => row.dataset.case === (current() ?? document.activeElement)?.dataset?.case);
  const next = all[at === -1 ? 0 : Math.min(all.length - 1, Math.max(0, at + by))];
  if (next) loading = selectCase(next);
}

// A key pressed while the selected case is still loading is meant for that case, not for the one still shown.
async function withSelected(action) {
  const meant = current()?.dataset.case;
  await loading;
  if (!meant || meant === shownCase()?.dataset.case) action();
}

function openFirst(...ids) {
  const details = ids.map((id) => document.getElementById(id)).find(Boolean);
  if (!details) return;
  details.open = true;
  // The first that still has to be filled in.
  (details.querySelector(":is(select, textarea):invalid") ?? details.querySelector("textarea, select")).focus();
}

function closeForm() {
  const form = openForm();
  const within = form?.contains(document.activeElement);
  if (form) form.open = false;
  if (within) form.querySelector("summary").focus();
  else if (document.activeElement.matches("input, select, textarea")) (current() ?? reading).focus({ preventScroll: true });
}

// Whoever dictates, or presses keys by mistake, can switch single keys off (WCAG 2.1.4); this browser remembers it.
const keysOn = document.getElementById("keys-on");
const KEYS_OFF = "hearback.single-keys-off";

function remembered() {
  try {
    return localStorage.getItem(KEYS_OFF) === null;
  } catch {
    return true; // storage may be forbidden
  }
}

function useKeys(on) {
  keysOn.checked = on;
  document.documentElement.toggleAttribute("data-keys-off", !on);
}

keysOn.addEventListener("change", () => {
  useKeys(keysOn.checked);
  try {
    if (keysOn.checked) localStorage.removeItem(KEYS_OFF);
    else localStorage.setItem(KEYS_OFF, "");
  } catch {
    // It holds for this page.
  }
});
document.getElementById("show-keys").addEventListener("click", () => keys.showModal());
document.querySelector(".keys-hint").hidden = false;
useKeys(remembered());

const shortcuts = {
  j: () => move(1),
  k: () => move(-1),
  a: () => withSelected(() => reading.querySelector('form[data-action="assign"]')?.requestSubmit()),
  c: () => withSelected(() => openFirst("contact")),
  r: () => withSelected(() => openFirst("close", "reopen")),
  n: () => withSelected(() => openFirst("note")),
  "/": () => document.getElementById("search").focus(),
  "?": () => keys.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || keys.open) return;
  if (event.key === "Escape") {
    closeForm();
    return;
  }
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  if (event.key === "Enter" && wide.matches && (event.target === current() || event.target === document.body)) {
    event.preventDefault();
    reading.focus();
    return;
  }
  const action = shortcuts[event.key];
  if (action && keysOn.checked) {
    event.preventDefault();
    action();
  }
});

document.getElementById("rows").addEventListener("click", (event) => {
  const row = event.target.closest(".row");
  if (!row || !wide.matches || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  loading = selectCase(row);
});

for (const select of document.querySelectorAll("#filters select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

localize(document);
if (wide.matches) current()?.scrollIntoView({ block: "nearest" });
setTimeout(poll, Number(inbox.dataset.refreshSeconds) * 1000);
