"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const MOST_POINTS = 120;
  const SHORT = 34;
  const charts = [];
  let days = figures.days.length;

  const colour = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const number = (count) => count.toLocaleString("en");
  const percent = (share, digits) => (share * 100).toFixed(digits) + " %";
  const short = (text) => (text.length > SHORT ? text.slice(0, SHORT - 1) + "…" : text);
  const sum = (counts) => counts.reduce((all, count) => all + count, 0);

  // Days, or weeks where the days would be too many to see.
  function steps() {
    const from = figures.days.length - days;
    const width = days > MOST_POINTS ? 7 : 1;
    const found = [];
    for (let end = figures.days.length; end > from; end -= width) {
      found.unshift([Math.max(from, end - width), end]);
    }
    return found;
  }
  const labels = () =>
    steps().map(([begin, end]) =>
      end - begin > 1 ? figures.days[begin] + " to " + figures.days[end - 1] : figures.days[begin]);
  const summed = (name) => steps().map(([begin, end]) => sum(figures[name].slice(begin, end)));

  // A rate of few mails says nothing: such days are left out, and so are days before mails are known.
  function rates(name) {
    return steps().map(([begin, end]) => {
      const mails = sum(figures.mails.slice(begin, end));
      const known = figures.knownFrom !== null && figures.days[begin] >= figures.knownFrom;
      return known && mails >= figures.fewestMails ? sum(figures[name].slice(begin, end)) / mails : null;
    });
  }

  const line = (label, name, data, more) => ({
    type: "line", label, data, borderColor: colour(name), backgroundColor: colour(name),
    borderWidth: 2, pointRadius: data.length > 45 ? 0 : 2, pointHitRadius: 12, tension: 0.25,
    spanGaps: true, ...more,
  });
  const bars = (label, name, data) => ({
    label, data, backgroundColor: colour(name), borderWidth: 0, maxBarThickness: 22,
  });
  const constant = (label, value, name, dash) =>
    line(label, name, labels().map(() => value), {
      borderDash: dash, borderWidth: 1.5, pointRadius: 0, pointHitRadius: 0, tension: 0,
    });

  // AWS's line for a pause would press a low rate to the ground; it is drawn where it is near.
  function rateData(name, lines, colourName) {
    const found = rates(name);
    const near = Math.max(0, ...found) > lines[0] * 0.9;
    return {
      labels: labels(),
      datasets: [
        line("rate", colourName, found),
        constant("review " + percent(lines[0], 1), lines[0], "near", [6, 4]),
        ...(near ? [constant("pause " + percent(lines[1], 1), lines[1], "bad", [2, 3])] : []),
      ],
    };
  }
  const ranked = (found, count, name) => ({
    labels: found.map((one) => one.name), datasets: [bars("bounces", name, found.map(count))],
  });

  const kinds = {
    "bounce-rate": () => rateData("counted", figures.lines.bounces, "hard"),
    "complaint-rate": () => rateData("complaints", figures.lines.complaints, "complaints"),
    "bounces": () => ({
      labels: labels(),
      datasets: [
        bars("hard", "hard", summed("hard")), bars("soft", "soft", summed("soft")),
        bars("other", "other", summed("other")),
      ].filter((one) => sum(one.data) > 0),
    }),
    "complaints": () => ({
      labels: labels(), datasets: [bars("complaints", "complaints", summed("complaints"))],
    }),
    "reasons": () => ranked(figures.reasons, (one) => one.count, "hard"),
    "statuses": () => ranked(figures.statuses, (one) => one.count, "soft"),
    "rows": () => ({
      labels: figures.rows.map((row) => row.name),
      datasets: [
        bars("hard", "hard", figures.rows.map((row) => row.hard)),
        bars("soft", "soft", figures.rows.map((row) => row.soft)),
        bars("complaints", "complaints", figures.rows.map((row) => row.complaints)),
      ],
    }),
  };
  for (const [by, found] of Object.entries(figures.spenders)) {
    kinds["spenders-" + by] = () => ranked(found, (one) => one.count, "hard");
  }
  const meanings = { reasons: figures.reasons, statuses: figures.statuses };
  const lying = (name) =>
    ["reasons", "statuses", "rows"].includes(name) || name.startsWith("spenders-");

  function options(name) {
    const isRate = name.endsWith("-rate");
    const isLying = lying(name);
    const digits = name === "complaint-rate" ? 2 : 1;
    const written = (value) => (isRate ? percent(value, digits) : number(value));
    const grid = { color: colour("rule") };
    const ticks = { color: colour("faint"), font: { size: 11 } };
    const counts = {
      beginAtZero: true, grid, border: { display: false },
      stacked: name === "bounces" || name === "rows",
      ticks: { ...ticks, precision: isRate ? undefined : 0, maxTicksLimit: 6, callback: written },
    };
    const values = {
      grid: { display: false }, border: { color: colour("rule") },
      stacked: counts.stacked,
      ticks: isLying
        ? { ...ticks, autoSkip: false, callback(at) { return short(this.getLabelForValue(at)); } }
        : { ...ticks, maxRotation: 0, autoSkip: true, maxTicksLimit: 7,
            callback(at) { return this.getLabelForValue(at).slice(0, 10); } },
    };
    return {
      animation: false, responsive: true, maintainAspectRatio: false,
      indexAxis: isLying ? "y" : "x",
      interaction: { mode: "index", intersect: false, axis: isLying ? "y" : "x" },
      scales: isLying ? { x: counts, y: values } : { x: values, y: counts },
      plugins: {
        legend: {
          display: isRate || name === "bounces" || name === "rows",
          labels: {
            color: colour("ink"), boxHeight: isRate ? 8 : 12, boxWidth: isRate ? 28 : 12,
            usePointStyle: isRate, pointStyle: "line", pointStyleWidth: 28, font: { size: 11 },
          },
        },
        tooltip: {
          callbacks: {
            label: (item) =>
              " " + item.dataset.label + ": " + (item.raw === null ? "" : written(item.raw)),
            afterBody: (items) =>
              meanings[name] && items.length ? meanings[name][items[0].dataIndex].meaning : "",
          },
        },
      },
    };
  }

  function draw() {
    for (const chart of charts.splice(0)) chart.destroy();
    for (const canvas of document.querySelectorAll("canvas[data-chart]")) {
      const name = canvas.dataset.chart;
      const data = kinds[name]();
      if (lying(name)) {
        const legend = name === "rows" ? 36 : 0;
        canvas.parentElement.style.height = 34 + legend + data.labels.length * 26 + "px";
      }
      charts.push(new Chart(canvas, { type: "bar", data, options: options(name) }));
    }
    document.documentElement.dataset.charts = charts.length;
  }

  function offerRanges() {
    const all = figures.days.length;
    const offered = [31, 91, 183].filter((count) => count < all - 7);
    if (!offered.length || !document.getElementById("ranges")) return;
    for (const count of [...offered, all]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = count === all ? "All " + (all - 1) + " days" : count - 1 + " days";
      button.setAttribute("aria-pressed", String(count === days));
      button.addEventListener("click", () => {
        days = count;
        for (const other of document.querySelectorAll("#ranges button")) {
          other.setAttribute("aria-pressed", String(other === button));
        }
        draw();
      });
      document.getElementById("ranges").append(button);
    }
  }

  offerRanges();
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  matchMedia("print").addEventListener("change", draw);
})();
