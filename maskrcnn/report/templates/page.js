"use strict";
// The charts, drawn when they come into view; and the switch between light and dark.
const charts = {};

function receiveCharts(specs) {
  Object.assign(charts, specs);
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((one) => one.isIntersecting)) {
      observer.unobserve(entry.target);
      drawChart(entry.target);
    }
  }, { rootMargin: "300px" });
  document.querySelectorAll("[data-chart]").forEach((figure) => observer.observe(figure));
}

function drawChart(figure) {
  const place = figure.querySelector(".plot") ?? figure.appendChild(Object.assign(document.createElement("div"), { className: "plot" }));
  vegaEmbed(place, charts[figure.dataset.chart], { actions: false, renderer: "svg", config: chartConfig() });
}

function receiveProvenance(facts, costs) {
  for (const [name, value] of Object.entries(facts)) {
    document.getElementById("provenance-facts").append(make("dt", name), make("dd", value));
  }
  const table = document.getElementById("costs");
  table.parentElement.hidden = !costs.length;
  for (const [stage, ...figures] of costs) {
    const row = table.tBodies[0].insertRow();
    row.append(Object.assign(make("th", stage), { scope: "row" }), ...figures.map((figure) => make("td", figure)));
  }
}

function make(name, text) {
  return Object.assign(document.createElement(name), { textContent: text });
}

function chartConfig() {
  const style = getComputedStyle(document.body);
  const ink = style.getPropertyValue("color");
  const faint = getComputedStyle(document.querySelector("header")).borderBottomColor;
  const text = { labelColor: ink, titleColor: ink };
  return {
    background: "transparent",
    font: style.fontFamily,
    axis: { ...text, gridColor: faint, domainColor: faint, tickColor: faint, titleFontWeight: 400 },
    legend: { ...text, orient: "top", columns: 3, labelLimit: 200 },
    view: { stroke: faint },
  };
}

function redrawCharts() {
  document.querySelectorAll("[data-chart]:has(.plot)").forEach(drawChart);
}

const dark = matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", redrawCharts);
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const isDark = root.style.colorScheme ? root.style.colorScheme === "dark" : dark.matches;
  root.style.colorScheme = isDark ? "light" : "dark";
  redrawCharts();
});
