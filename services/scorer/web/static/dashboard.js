// Follows the live stream, replaces what changed, says what a chart shows where one points, and suggests segments. The
// page is complete without it.
"use strict";

(() => {
  const dashboard = document.getElementById("dashboard");
  const live = document.getElementById("live");

  // Milliseconds between requests: during bursts of answers, when the tab is hidden, without updates (a comment does not
  // change a score, and days end without an answer), when the stream is disconnected, and the backoff after failures.
  const pauses = {
    busy: 1_500, hidden: 30_000, quiet: 60_000, disconnected: 15_000, failed: [2_000, 4_000, 8_000, 15_000],
  };
  const reopenAfter = 15_000;
  let stream = null;
  let connected = false;
  let failures = 0;
  let asking = false;
  let rested = true;
  let news = false;
  let timer;

  function state() {
    if (failures) return "Updates paused: the server is not responding. Retrying.";
    if (!connected) return "Updates are delayed: no live connection. Retrying.";
    return "Live: new answers appear automatically.";
  }

  // Screen readers announce every change of the text, also to the same text.
  function tell() {
    if (live.textContent !== state()) live.textContent = state();
  }

  function localTimes(part) {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    for (const time of part.querySelectorAll("time[datetime]")) {
      time.textContent = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
      time.title = zone;
    }
  }

  // Updating the page without a jump -------------------------------------------------------------------------------

  const parts = () => [...dashboard.querySelectorAll("[data-live]")];

  // A part with the focus or a selection is not replaced. Its tag stays, so it is sent again the next time.
  function inUse(part) {
    const selection = getSelection();
    return part.contains(document.activeElement) || (!selection.isCollapsed && selection.containsNode(part, true));
  }

  function replace(part, text, tag) {
    if (inUse(part)) return;
    const opened = [...part.querySelectorAll("details[open][id]")];
    part.innerHTML = text;
    part.dataset.live = tag;
    for (const details of opened) document.getElementById(details.id)?.setAttribute("open", "");
    localTimes(part);
    if (part.id !== "score") return;
    part.classList.remove("moved");
    void part.offsetWidth;
    part.classList.add("moved");
  }

  async function renew() {
    const asked = new URLSearchParams(location.search);
    for (const part of parts()) asked.append("have", part.dataset.live);
    const response = await fetch(`/parts?${asked}`, { headers: { Accept: "application/json" } });
    if (response.redirected) return location.reload(); // signed out: a reload leads to the sign-in page
    if (!response.ok) throw new Error(`status ${response.status}`);
    const fresh = await response.json();
    const names = parts().map((part) => part.id);
    // A part was added or removed, as with the first answer.
    if (Object.keys(fresh.tags).sort().join() !== names.sort().join()) return location.reload();
    for (const [name, text] of Object.entries(fresh.texts)) replace(document.getElementById(name), text, fresh.tags[name]);
    document.title = fresh.title;
    dashboard.dataset.stream = fresh.stream; // to follow from what is shown now
  }

  async function refresh() {
    news = true;
    if (asking || !rested) return;
    clearTimeout(timer);
    asking = true;
    news = rested = false;
    try {
      await renew();
      failures = 0;
    } catch {
      failures += 1;
    }
    asking = false;
    tell();
    setTimeout(() => {
      rested = true;
      if (news) refresh();
    }, document.hidden ? pauses.hidden : pauses.busy);
    const undisturbed = connected || document.hidden ? pauses.quiet : pauses.disconnected;
    const pause = failures ? pauses.failed[Math.min(failures, pauses.failed.length) - 1] : undisturbed;
    timer = setTimeout(refresh, pause * (0.8 + 0.4 * Math.random()));
  }

  // Browsers open six connections to a server, for all tabs together, and a stream keeps one for good: with six tabs in
  // the background, a seventh could load nothing. So only a tab that is seen has a stream.
  function follow() {
    if (stream || document.hidden) return;
    const opened = new EventSource(dashboard.dataset.stream);
    stream = opened;
    opened.addEventListener("open", () => {
      connected = true;
      tell();
    });
    opened.addEventListener("error", () => {
      if (connected) refresh();
      connected = false;
      tell();
      // Browsers reconnect automatically, but not after an error status, such as for too many streams.
      if (opened.readyState !== EventSource.CLOSED || stream !== opened) return;
      stream = null;
      setTimeout(follow, reopenAfter * (0.5 + Math.random()));
    });
    opened.addEventListener("score.updated", refresh);
  }

  function letGo() {
    stream?.close();
    stream = null;
    connected = false;
  }

  function comeBack() {
    follow();
    rested = true;
    refresh();
  }

  // What a chart shows where one points ------------------------------------------------------------------------------

  const tip = Object.assign(document.createElement("p"), { className: "tip", hidden: true });
  const SVG = "http://www.w3.org/2000/svg";

  // The tip stands above or below the place (pixels from the chart's corner), and within the chart.
  function show(chart, text, left, top) {
    tip.textContent = text;
    tip.hidden = false;
    if (tip.parentElement !== chart) chart.append(tip);
    const room = chart.clientWidth - tip.offsetWidth;
    tip.style.left = `${Math.max(0, Math.min(room, left - tip.offsetWidth / 2))}px`;
    tip.style.top = `${top - tip.offsetHeight - 12 < 0 ? top + 16 : top - tip.offsetHeight - 12}px`;
  }

  function clear() {
    tip.hidden = true;
    document.getElementById("pointed")?.remove();
  }

  const number = (cell) => Number(cell.textContent.replace("−", "-").replace(/,/g, ""));
  const day = (iso) => new Date(`${iso}T00:00`).toLocaleDateString(undefined, { dateStyle: "long" });

  // The table below has the numbers of each point, the newest first.
  function pointAtTrend(chart, event) {
    const plot = chart.querySelector(".plot");
    const rows = document.querySelectorAll("#trend-table tbody tr");
    const box = plot.getBoundingClientRect();
    const [start, end, bottom, top] = ["start", "end", "bottom", "top"].map((name) => Number(plot.dataset[name]));
    const share = (100 * (event.clientX - box.left)) / box.width;
    const last = rows.length - 1;
    const at = Math.max(0, Math.min(last, Math.round((last * (share - start)) / (end - start || 1))));
    const [nps, low, high, n] = rows[last - at].querySelectorAll("td");
    clear();
    const words = `${day(rows[last - at].cells[0].textContent)}: `;
    const x = start + ((end - start) * at) / (last || 1);
    const left = box.left - chart.getBoundingClientRect().left + (box.width * x) / 100;
    const down = box.top - chart.getBoundingClientRect().top;
    if (n.textContent === "0") return show(chart, `${words}no answers`, left, down + box.height / 2);
    const y = (box.height * (top - number(nps))) / (top - bottom);
    const mark = document.createElementNS(SVG, "circle");
    for (const [name, value] of Object.entries({ id: "pointed", cx: `${x}%`, cy: y, r: 6 })) mark.setAttribute(name, value);
    plot.append(mark);
    const answers = n.textContent === "1" ? "1 answer" : `${n.textContent} answers`;
    show(chart, `${words}NPS ${nps.textContent} (${low.textContent} to ${high.textContent}), ${answers}`, left, down + y);
  }

  function pointAtSegment(chart, event) {
    const plot = chart.querySelector(".plot");
    const box = plot.getBoundingClientRect();
    const rows = plot.querySelectorAll("g[data-tip]");
    const at = Math.floor(((event.clientY - box.top) * rows.length) / box.height);
    clear();
    if (!rows[at]) return;
    const name = chart.querySelectorAll(".names li")[at].textContent;
    const corner = chart.getBoundingClientRect();
    const dot = rows[at].querySelector(".dot").getBoundingClientRect();
    show(chart, `${name}: ${rows[at].dataset.tip}`, dot.left + dot.width / 2 - corner.left, dot.top - corner.top);
  }

  for (const [name, point] of [["trend-chart", pointAtTrend], ["segments-chart", pointAtSegment]]) {
    const chart = document.getElementById(name);
    chart?.addEventListener("pointermove", (event) => point(chart, event));
    chart?.addEventListener("pointerdown", (event) => point(chart, event));
    chart?.addEventListener("pointerleave", clear);
  }

  // Suggestions while one types a segment -----------------------------------------------------------------------------

  const field = document.getElementById("add-segment");
  let typing;

  async function suggest() {
    const find = field.value;
    const response = await fetch(`/parts/segments?${new URLSearchParams({ find })}`);
    if (!response.ok || response.redirected) return;
    const found = await response.json();
    if (field.value !== find) return; // the next request is on its way, and may have been answered already
    const options = found.map((value) => Object.assign(document.createElement("option"), { value }));
    document.getElementById("known-segments").replaceChildren(...options);
  }

  for (const event of ["focus", "input"]) {
    field?.addEventListener(event, () => {
      clearTimeout(typing);
      typing = setTimeout(() => suggest().catch(() => {}), event === "focus" ? 0 : 200);
    });
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? letGo() : comeBack()));
  addEventListener("pagehide", letGo);
  addEventListener("pageshow", (event) => {
    if (event.persisted) comeBack();
  });
  localTimes(document);
  timer = setTimeout(refresh, pauses.quiet);
  follow();
})();
