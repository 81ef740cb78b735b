// Optional: shows times in the reader's time zone, and new mail without reloading the page.
"use strict";

function localTimes() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  for (const time of document.querySelectorAll("time[datetime]")) {
    time.textContent = new Date(time.dateTime).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    time.title = zone;
  }
}

async function showNewMails() {
  const mails = document.getElementById("mails");
  const page = new URL(location.href);
  if (!mails || document.hidden || page.searchParams.has("before") || mails.contains(document.activeElement)) return;
  const query = new URLSearchParams({ after: mails.dataset.newest, limit: "1" });
  if (page.searchParams.get("to")) query.set("to", page.searchParams.get("to"));
  const { messages } = await (await fetch(`/api/messages?${query}`)).json();
  if (messages.length === 0) return;
  const fresh = new DOMParser().parseFromString(await (await fetch(page)).text(), "text/html");
  mails.replaceWith(fresh.getElementById("mails"));
  document.title = fresh.title;
  localTimes();
}

localTimes();
if (document.getElementById("mails")) {
  setInterval(() => showNewMails().catch(() => undefined), 2000);
}
