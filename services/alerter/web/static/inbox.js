// Makes the inbox quick: keys, cases beside the list without a new page, and a list that keeps itself up to date.
// Everything here is also a link or a form that works without it.
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

async function part(address) {
  const response = await fetch(address, { credentials: "same-origin", headers: { Accept: "text/html" } });
  if (response.redirected) location.reload(); // the session ended: the page itself leads to the sign-in
  if (!response.ok && response.status !== 404) throw new Error(`status ${response.status}`);
  const held = document.createElement("template");
  held.innerHTML = await response.text();
  localize(held.content);
  return held.content;
}

function partAddress(row) {
  const address = new URL(row.href);
  address.pathname = address.pathname.replace("/cases/", "/parts/cases/");
  return address;
}

let asked = 0;

async function show(row, remember) {
  for (const other of rows()) other.removeAttribute("aria-current");
  row.setAttribute("aria-current", "true");
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
  if (!wide.matches) return;
  const mine = ++asked;
  reading.setAttribute("aria-busy", "true");
  try {
    const content = await part(partAddress(row));
    if (mine !== asked) return; // another case was chosen meanwhile
    reading.replaceChildren(content);
    if (remember) history.replaceState(null, "", row.href);
  } catch {
    location.assign(row.href);
  } finally {
    if (mine === asked) reading.removeAttribute("aria-busy");
  }
}

// Keeping up to date, without a jump -------------------------------------------------------------------------------

function busyWriting() {
  const open = reading.querySelector("details[name=action][open]");
  return open !== null && [...open.querySelectorAll("textarea")].some((field) => field.value !== field.defaultValue || field === document.activeElement);
}

async function refresh() {
  const selected = current()?.dataset.case ?? "";
  const address = new URL(inbox.dataset.list, location.href);
  if (selected) address.searchParams.set("case", selected);
  const content = await part(address);
  const focused = document.activeElement?.dataset?.case;
  const scrolled = document.querySelector(".list").scrollTop;
  for (const fresh of content.querySelectorAll("[data-live]")) {
    const old = document.getElementById(fresh.id);
    if (old && old.innerHTML !== fresh.innerHTML) old.replaceChildren(...fresh.childNodes);
  }
  document.querySelector(".list").scrollTop = scrolled;
  if (focused) rows().find((row) => row.dataset.case === focused)?.focus({ preventScroll: true });
  const row = current() ?? rows().find((one) => one.dataset.case === shownCase()?.dataset.case);
  if (row && row.dataset.case === shownCase()?.dataset.case && row.dataset.sequence !== shownCase().dataset.sequence) {
    await renew(row);
  }
}

async function renew(row) {
  if (!busyWriting()) {
    reading.replaceChildren(await part(partAddress(row)));
  } else if (!document.getElementById("renewed")) {
    const notice = document.createElement("p");
    notice.id = "renewed";
    notice.className = "notice";
    notice.setAttribute("role", "status");
    notice.textContent = "This case has changed while you were writing. What you send now will be refused, and kept.";
    shownCase().prepend(notice);
  }
}

async function keepFresh() {
  if (!document.hidden) {
    try {
      await refresh();
      connection.textContent = "";
    } catch {
      connection.textContent = "Not up to date: the inbox does not answer. Trying again.";
    }
  }
  setTimeout(keepFresh, Number(inbox.dataset.refreshSeconds) * 1000);
}

// Keys -------------------------------------------------------------------------------------------------------------

function step(by) {
  const all = rows();
  const at = all.findIndex((row) => row.dataset.case === (current() ?? document.activeElement)?.dataset?.case);
  const next = all[at === -1 ? 0 : Math.min(all.length - 1, Math.max(0, at + by))];
  if (next) show(next, true);
}

function unfold(...ids) {
  const details = ids.map((id) => document.getElementById(id)).find(Boolean);
  if (!details) return;
  details.open = true;
  (details.querySelector("textarea") ?? details.querySelector("select")).focus();
}

const deeds = {
  j: () => step(1),
  k: () => step(-1),
  a: () => reading.querySelector('form[data-action="assign"]')?.requestSubmit(),
  c: () => unfold("contact"),
  r: () => unfold("close", "reopen"),
  n: () => unfold("note"),
  "/": () => document.getElementById("search").focus(),
  "?": () => keys.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || keys.open) return;
  if (event.key === "Escape") {
    for (const open of reading.querySelectorAll("details[name=action][open]")) open.open = false;
    document.activeElement?.blur();
    return;
  }
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  if (event.key === "Enter" && wide.matches && (event.target === current() || event.target === document.body)) {
    event.preventDefault();
    reading.focus();
    return;
  }
  const deed = deeds[event.key];
  if (deed) {
    event.preventDefault();
    deed();
  }
});

document.getElementById("rows").addEventListener("click", (event) => {
  const row = event.target.closest(".row");
  if (!row || !wide.matches || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  show(row, true);
});

for (const select of document.querySelectorAll("#filters select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

localize(document);
if (wide.matches) current()?.scrollIntoView({ block: "nearest" });
setTimeout(keepFresh, Number(inbox.dataset.refreshSeconds) * 1000);
