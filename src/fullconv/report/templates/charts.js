// The values under the pointer, or at the place that the arrow keys reach, in all charts at once.
const charts = [...document.querySelectorAll(".chart")].map((figure) => ({
  figure, plot: figure.querySelector(".plot"), svg: figure.querySelector("svg"),
  rule: figure.querySelector(".rule"), output: figure.querySelector("output"),
  lines: [...figure.querySelectorAll("[data-points]")].map((group) => ({
    name: group.dataset.name, mark: group.querySelector(".mark"),
    points: group.dataset.points.split(" ").map((point) => {
      const [x, y, step, ...shown] = point.split(",");
      return {x: Number(x), y: Number(y), step: Number(step), shown: shown.join(",")};
    }),
  })),
}));
const nearest = (points, key, value) => points.reduce(
  (best, point) => Math.abs(point[key] - value) < Math.abs(best[key] - value) ? point : best);

function readAt(step) {
  for (const {figure, rule, output, lines} of charts) {
    const hits = lines.map(({name, mark, points}) => ({name, mark, ...nearest(points, "step", step)}));
    const main = nearest(hits, "step", step);
    rule.setAttribute("x1", main.x);
    rule.setAttribute("x2", main.x);
    figure.classList.add("read");
    for (const {mark, x, y} of hits) {
      mark.setAttribute("cx", x);
      mark.setAttribute("cy", y);
      mark.classList.add("on");
    }
    output.textContent = `step ${main.step}: ` + hits.map(({name, shown, step: at}) =>
      (name ? `${name} ` : "") + shown + (at === main.step ? "" : ` (step ${at})`)).join(", ");
  }
}

for (const chart of charts) {
  let at = -1;
  const steps = [...new Set(chart.lines.flatMap(({points}) => points.map(({step}) => step)))].sort((a, b) => a - b);
  chart.plot.addEventListener("pointermove", (event) => {
    const box = chart.svg.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * chart.svg.viewBox.baseVal.width;
    const step = nearest(chart.lines.flatMap(({points}) => points), "x", x).step;
    at = steps.indexOf(step);
    readAt(step);
  });
  chart.plot.addEventListener("keydown", (event) => {
    const to = {ArrowRight: at + 1, ArrowLeft: at < 0 ? steps.length - 1 : at - 1, Home: 0, End: steps.length - 1}[event.key];
    if (to === undefined) return;
    event.preventDefault();
    at = Math.min(Math.max(to, 0), steps.length - 1);
    readAt(steps[at]);
  });
}
