// The two charts, drawn from the data embedded in the page, in the page's colours and fonts.
"use strict";

const Charts = (() => {
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function translucent(color, opacity) {
    const probe = document.createElement("canvas").getContext("2d");
    probe.fillStyle = color;
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(probe.fillStyle.slice(at, at + 2), 16));
    return `rgba(${red},${green},${blue},${opacity})`;
  }

  // Halves away from zero, like everything else on the page; Math.round would round −2.5 up.
  const rounded = (value) => Math.sign(value) * Math.round(Math.abs(value)) + 0;
  const whole = (value) => (value === null ? "–" : String(rounded(value)).replace("-", "−"));
  const answers = (n) => (n === 1 ? "1 answer" : `${n.toLocaleString(document.documentElement.lang)} answers`);
  const sentence = (point) => `NPS ${whole(point.nps)} (${whole(point.low)} to ${whole(point.high)}), ${answers(point.n)}`;

  const SIZE = 16; // pixels, like the smallest text of the page
  const unit = () => ({ text: "NPS points", font: { size: SIZE, color: style("--quiet") } });

  function layout(changes) {
    const axis = {
      gridcolor: style("--line"), linecolor: style("--line"), zerolinecolor: style("--outline"),
      tickfont: { size: SIZE, color: style("--quiet") }, fixedrange: true, automargin: true,
    };
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, dragmode: false,
      font: { family: getComputedStyle(document.body).fontFamily, color: style("--text"), size: SIZE },
      hoverlabel: { bgcolor: style("--surface"), bordercolor: style("--outline"), font: { color: style("--text") } },
      ...changes, xaxis: { ...axis, ...changes.xaxis }, yaxis: { ...axis, ...changes.yaxis },
    };
  }

  function span(points) {
    const shown = points.filter((point) => point.nps !== null);
    const low = Math.min(...shown.map((point) => point.low));
    const high = Math.max(...shown.map((point) => point.high));
    return shown.length ? [Math.max(-104, low - 5), Math.min(104, high + 5)] : [-100, 100];
  }

  async function draw(id, traces, arrangement) {
    const place = document.getElementById(id);
    if (!place) return;
    for (const instead of place.querySelectorAll(":scope > :is(p, svg)")) instead.remove();
    await Plotly.react(place, traces, arrangement, { displayModeBar: false, responsive: true });
  }

  // The points between days without answers: nothing is known of those days, so nothing is drawn across them.
  function runs(points) {
    const found = [[]];
    for (const point of points) {
      if (point.nps === null) found.push([]);
      else found.at(-1).push(point);
    }
    return found.filter((run) => run.length);
  }

  function band(run, color) {
    const days = run.map((point) => point.day);
    const edge = { x: days, mode: "lines", line: { width: 0 }, hoverinfo: "skip" };
    if (run.length === 1) {
      const [{ low, high }] = run;
      return [{ ...edge, x: [days[0], days[0]], y: [low, high], line: { width: 9, color } }];
    }
    return [
      { ...edge, y: run.map((point) => point.low) },
      { ...edge, y: run.map((point) => point.high), fill: "tonexty", fillcolor: color },
    ];
  }

  const DAY = 86_400_000; // milliseconds
  // Whole days, and some room around a few of them: left to itself, the library would count the hours of a single day.
  function dates(points) {
    const ticks = innerWidth < 600 ? 3 : 8;
    const [first, last] = [points[0], points.at(-1)].map((point) => Date.parse(point.day));
    const axis = { type: "date", showgrid: false, nticks: ticks };
    if (last - first >= 14 * DAY) return axis;
    const every = Math.ceil((last - first + 2 * DAY) / DAY / ticks) * DAY;
    return { ...axis, range: [first - DAY, last + DAY], tick0: first, dtick: every, tickformat: "%-d %b %Y" };
  }

  function trend(points) {
    const days = points.map((point) => point.day);
    const accent = style("--accent");
    const pieces = runs(points);
    const alone = new Set(pieces.filter((run) => run.length === 1).map(([point]) => point));
    return draw("trend-chart", [
      ...pieces.flatMap((run) => band(run, translucent(accent, 0.2))),
      {
        x: days, y: points.map((point) => point.nps), mode: "lines+markers", connectgaps: false,
        line: { color: accent, width: 3 },
        marker: { color: accent, opacity: 1, size: points.map((point) => (alone.has(point) ? 9 : 0)), line: { width: 0 } },
        text: points.map(sentence), hovertemplate: "%{x|%e %B %Y}<br>%{text}<extra></extra>",
      },
    ], layout({
      height: 320, hovermode: "x", margin: { l: 8, r: 12, t: 8, b: 8 },
      xaxis: dates(points),
      yaxis: { range: span(points), title: unit() },
    }));
  }

  function segments(rows, overall) {
    const accent = style("--accent");
    const cut = innerWidth < 600 ? 14 : 30;
    const name = (row) => (row.value.length > cut ? `${row.value.slice(0, cut - 1)}…` : row.value);
    const positions = rows.map((_, at) => at);
    const color = (row) => translucent(accent, row.held_back ? 0.35 : 1);
    const traces = rows.map((row, at) => ({
      x: [row.low, row.high], y: [at, at], mode: "lines", hoverinfo: "skip", line: { color: color(row), width: 2 },
    }));
    traces.push({
      x: rows.map((row) => row.nps), y: positions, mode: "markers", text: rows.map(sentence),
      customdata: rows.map((row) => row.value.replace(/</g, "&lt;")),
      hovertemplate: "%{customdata}<br>%{text}<extra></extra>",
      marker: {
        size: 12, color: rows.map((row) => (row.differs ? color(row) : style("--surface"))),
        symbol: rows.map((row) => (row.differs ? "diamond" : "circle")), line: { color: rows.map(color), width: 2.5 },
      },
    });
    return draw("segments-chart", traces, layout({
      height: 64 + 30 * rows.length, hovermode: "closest", margin: { l: 8, r: 12, t: 8, b: 40 },
      xaxis: { range: span(rows), title: unit() },
      yaxis: {
        tickvals: positions, ticktext: rows.map((row) => name(row).replace(/</g, "&lt;")),
        range: [rows.length - 0.4, -0.6], showgrid: false, zeroline: false,
      },
      shapes: overall === null ? [] : [{
        type: "line", x0: overall, x1: overall, yref: "paper", y0: 0, y1: 1,
        line: { color: style("--outline"), width: 1, dash: "dot" },
      }],
    }));
  }

  async function all() {
    const carrier = document.getElementById("chart-data");
    if (!carrier || !window.Plotly) return; // still loading: the charts are drawn once it has loaded
    const data = JSON.parse(carrier.textContent);
    await trend(data.trend);
    await segments(data.segments, data.overall);
  }

  function missing() {
    document.querySelectorAll(".chart > p").forEach((note) => {
      note.textContent = "The chart could not be loaded; the numbers are below.";
    });
  }

  return { all, missing };
})();
