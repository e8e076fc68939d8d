// Charts: specifications of Vega-Lite, drawn as SVG by the library embedded in this file. `ast` keeps it from compiling text as code,
// which the page's content policy forbids.
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
// What a marker is called in Vega; the last two are drawn.
const SHAPES = { o: "circle", s: "square", "^": "triangle-up", D: "diamond", v: "triangle-down", P: "cross",
  X: "M-1,-.6L-.6,-1L0,-.4L.6,-1L1,-.6L.4,0L1,.6L.6,1L0,.4L-.6,1L-1,.6L-.4,0Z",
  "*": "M0,-1L.25,-.35L.95,-.31L.4,.13L.59,.81L0,.43L-.59,.81L-.4,.13L-.95,-.31L-.25,-.35Z", ".": "circle" };
const theme = () => ({
  background: null,
  font: "system-ui, sans-serif",
  view: { stroke: null },
  axis: { labelColor: css("text"), titleColor: css("text"), gridColor: css("line"), domainColor: css("muted"), tickColor: css("muted"),
    gridOpacity: 0.5, labelFontSize: 11, titleFontSize: 12, titleFontWeight: "normal", labelOverlap: "greedy", labelSeparation: 6 },
  axisQuantitative: { tickCount: 8 },
  text: { color: css("text"), fontSize: 12 },
  rule: { color: css("text") },
  mark: { color: css("text") },
});
const widthOf = (node) => Math.max(220, Math.min(1100, node.clientWidth || 600) - 8);

// A figure: heading, what it shows in words, the chart. `make(width)` returns the specification, or null where there is nothing.
const figure = (name, title, words) => {
  const chart = h("div", { class: "chart", role: "img", "aria-label": `${title}. ${words}` });
  const node = h("figure", { id: `figure-${name}` }, h("figcaption", {}, h("strong", {}, title), " ", h("span", {}, words)), chart);
  node.draw = async (make) => {
    const spec = make(widthOf(chart));
    node.hidden = !spec;
    // Beside a tall figure there is room for two.
    node.classList.toggle("long", Boolean(spec && spec.height > 500));
    if (!spec) return;
    const full = { $schema: "https://vega.github.io/schema/vega-lite/v6.json", config: theme(),
      autosize: { type: "fit-x", contains: "padding" }, width: widthOf(chart), ...spec };
    try {
      const result = await vegaEmbed(chart, full, { actions: false, renderer: "svg", ast: true, tooltip: { theme: "custom" }, hover: false, logLevel: 1 });
      // One name for the whole picture; the numbers are in the tables.
      chart.setAttribute("role", "img");
      chart.setAttribute("aria-label", `${title}. ${words}`);
      chart.removeAttribute("aria-roledescription");
      chart.querySelector("svg").setAttribute("aria-hidden", "true");
      node.view?.finalize();
      node.view = result.view;
    } catch (error) {
      chart.textContent = `This chart cannot be drawn: ${error.message}`;
    }
  };
  return node;
};
const field = (name, type = "quantitative", more = {}) => ({ field: name, type, ...more });
const exact = (name) => field(name, "nominal", { scale: null, legend: null });
const tips = (...pairs) => pairs.map(([name, title, format]) => ({ field: name, title, ...(format ? { format, type: "quantitative" } : { type: "nominal" }) }));
const FAINT = () => css("faint");

// Ticks of a logarithmic axis: powers of ten, with 2 and 5 between where there are fewer than three.
const logTicks = (low, high) => {
  const made = (factors) => {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
      for (const factor of factors) found.push(Number((factor * 10 ** power).toPrecision(1)));
    }
    return found.filter((value) => value >= low / 1.001 && value <= high * 1.001);
  };
  const decades = made([1]);
  if (decades.length >= 3) return decades.filter((_, i) => i % Math.ceil(decades.length / 7) === 0);
  // Ticks that leave most of the axis bare say little.
  const spread = (ticks) => ticks.length >= 3 && Math.log(ticks[ticks.length - 1] / ticks[0]) >= Math.log(high / low) / 2;
  const finer = [made([1, 2, 5]), made([1, 2, 3, 4, 5, 6, 7, 8, 9])].find(spread);
  return finer || [low, Math.sqrt(low * high), high].map((value) => Number(value.toPrecision(3)));
};

// A method's name, and over how many tasks its mean is.
const labelOf = (row) => row.method.label + outOf(row.given, row.total);

// Mean above chance of every shown method, with its interval.
const standingSpec = (rows, width) => {
  const values = rows.filter((row) => row.value !== null).map((row) => ({
    method: labelOf(row), value: row.value, low: row.low ?? row.value, high: row.high ?? row.value,
    colour: row.method.colour, shape: SHAPES[row.method.marker], tasks: `${row.given} of ${row.total}`, rank: number(row.rank, 2) }));
  if (!values.length) return null;
  const y = field("method", "nominal", { sort: null, title: null, axis: { labelLimit: 180, labelOverlap: false, grid: true } });
  const tooltip = tips(["method", "method"], ["value", "above chance, families", ".3f"], ["low", "from", ".3f"], ["high", "to", ".3f"], ["rank", "mean rank"], ["tasks", "tasks"]);
  return { height: 18 * values.length, data: { values }, layer: [
    { data: { values: [{ at: 0 }] }, mark: { type: "rule", strokeDash: [3, 3] }, encoding: { x: field("at") } },
    { mark: { type: "rule", strokeWidth: 2 }, encoding: { y, x: field("low", "quantitative", { title: width < 420 ? "above chance, families" : "above chance, families (0 = random, 1 = y_max of the task)" }), x2: { field: "high" }, color: exact("colour"), tooltip } },
    { mark: { type: "point", filled: true, size: 70, opacity: 1 }, encoding: { y, x: field("value"), color: exact("colour"), shape: exact("shape"), tooltip } },
  ] };
};

// Labels moved apart: each stands to the right or the left of its point if there is room, else on the nearest free line above or below.
// Lines have their names at their left ends, just above.
const apart = (points, lines, width, height, xs, ys, letter = 7, line = 14) => {
  const taken = points.map((p) => [xs(p.x) - 6, xs(p.x) + 6, ys(p.y)]);
  for (const p of lines) taken.push([0, letter * labelOf(p.row).length, ys(p.y) - line / 2]);
  for (const p of points) {
    if (!p.label) continue;
    const long = letter * p.label.length + 10, x = xs(p.x), y = ys(p.y);
    const sides = [[false, x + 8, x + 8 + long], [true, x - 8 - long, x - 8]].filter(([, from, to]) => from >= 0 && to <= width + 2);
    if (!sides.length) sides.push([x > width / 2, x > width / 2 ? x - 8 - long : x + 8, x > width / 2 ? x - 8 : x + 8 + long]);
    const places = Array.from({ length: 60 }, (_, k) => y + (k % 2 ? 1 : -1) * Math.ceil(k / 2) * line / 2)
      .filter((at) => at >= 8 && at <= height - 4).flatMap((at) => sides.map(([left, from, to]) => ({ at, left, from, to })));
    const free = ({ at, from, to }) => !taken.some(([a, b, other]) => Math.abs(other - at) < line * 0.95 && from < b && to > a);
    const best = places.find(free) || { at: y, left: sides[0][0], from: sides[0][1], to: sides[0][2] };
    taken.push([best.from, best.to, best.at]);
    p.at = best.at;
    p.left = best.left;
  }
};

// Median seconds of a cell against the mean above chance: better is up, cheaper is left. Floors take no time, and would press all others
// into a corner: each is a dotted line, unless nothing else is shown.
const costSpec = (rows, tasks, pins, width) => {
  const timed = rows.map((row) => ({ row, x: secondsOf(row.method, tasks), y: row.value }))
    .filter((p) => p.y !== null && Number.isFinite(p.x)).map((p) => ({ ...p, x: Math.max(p.x, 1e-3) }));
  if (!timed.length) return null;
  const lines = timed.some((p) => !p.row.method.floor) ? timed.filter((p) => p.row.method.floor) : [];
  const points = timed.filter((p) => !lines.includes(p));
  const height = 320, inner = width - 60;
  const xsAll = points.map((p) => p.x), ysAll = timed.map((p) => p.y);
  const low = Math.min(...xsAll) / 1.5, high = Math.max(...xsAll) * 1.5;
  const pad = (Math.max(...ysAll) - Math.min(...ysAll)) * 0.08 || 0.05;
  const bottom = Math.min(...ysAll) - pad, top = Math.max(...ysAll) + pad;
  const xs = (x) => (Math.log(x / low) / Math.log(high / low)) * inner, ys = (y) => ((top - y) / (top - bottom)) * height;
  for (const p of points) p.label = pins.has(p.row.method) ? labelOf(p.row) : "";
  points.sort((a, b) => (a.label ? 1 : 0) - (b.label ? 1 : 0));
  apart(points, lines, inner, height, xs, ys);
  const values = points.map((p) => ({ method: labelOf(p.row), seconds: p.x, value: p.y, label: p.label, left: Boolean(p.left),
    place: top - ((p.at ?? 0) / height) * (top - bottom), pinned: Boolean(p.label), colour: p.label ? p.row.method.colour : FAINT(), shape: SHAPES[p.row.method.marker] }));
  const x = field("seconds", "quantitative", { title: "median wall time of a cell, seconds", scale: { type: "log", domain: [low, high], nice: false },
    axis: { values: logTicks(low, high), format: "~g" } });
  const scale = { domain: [bottom, top], nice: false, zero: false };
  const tooltip = tips(["method", "method"], ["seconds", "seconds", ".3~g"], ["value", "above chance, families", ".3f"]);
  const text = (left) => ({ transform: [{ filter: `datum.label != '' && datum.left == ${left}` }],
    layer: [
      { mark: { type: "text", align: left ? "right" : "left", dx: left ? -9 : 9, stroke: css("page"), strokeWidth: 3, opacity: 0.9 }, encoding: { x, y: field("place", "quantitative", { scale }), text: { field: "label" } } },
      { mark: { type: "text", align: left ? "right" : "left", dx: left ? -9 : 9 }, encoding: { x, y: field("place", "quantitative", { scale }), text: { field: "label" } } },
    ] });
  const floors = { values: lines.map((p) => ({ method: labelOf(p.row), seconds: p.x, value: p.y, colour: p.row.method.colour })) };
  const level = field("value", "quantitative", { scale });
  return { height, data: { values }, layer: [
    { data: floors, mark: { type: "rule", strokeDash: [2, 3] }, encoding: { y: level, color: exact("colour"), tooltip } },
    { data: floors, mark: { type: "text", align: "left", baseline: "bottom", dy: -2 }, encoding: { x: { value: 4 }, y: level, text: { field: "method" } } },
    { transform: [{ filter: "datum.label != ''" }], mark: { type: "rule", opacity: 0.4, strokeWidth: 1 }, encoding: { x, y: field("value", "quantitative", { scale }), y2: { field: "place" } } },
    { mark: { type: "point", filled: true, size: 90, opacity: 0.95 }, encoding: { x, y: field("value", "quantitative", { scale, title: "above chance, families" }), color: exact("colour"), shape: exact("shape"), tooltip } },
    text(false), text(true),
  ] };
};

// Curves of steps: highlighted ones in their colours, labelled on the line at a height of their own, so that labels never overlap.
const stepsSpec = (curves, xTitle, yTitle, extra = {}) => {
  if (!curves.length) return null;
  const bold = curves.filter((c) => c.label), values = [];
  for (const [i, curve] of curves.entries()) {
    for (const [x, y] of curve.points) values.push({ curve: i, x, y, colour: curve.label ? curve.colour : FAINT(), bold: Boolean(curve.label), name: curve.name });
  }
  const crossing = (curve, level) => {
    const hit = curve.points.find(([, y]) => y <= level) || curve.points[curve.points.length - 1];
    return hit[0];
  };
  const order = [...bold].sort((a, b) => crossing(b, 0.5) - crossing(a, 0.5));
  const labels = order.map((curve, k) => {
    const level = 0.93 - (k * 0.86) / Math.max(1, order.length - 1 || 1);
    return { x: crossing(curve, level), y: level, label: curve.label, colour: curve.colour, shape: SHAPES[curve.marker] };
  });
  const x = field("x", "quantitative", { title: xTitle, scale: { zero: false, nice: true, ...(extra.domain ? { domain: extra.domain, clamp: true } : {}) } });
  const y = field("y", "quantitative", { title: yTitle, scale: { domain: [0, 1] } });
  const line = (wanted, width, opacity) => ({ transform: [{ filter: `datum.bold == ${wanted}` }],
    mark: { type: "line", interpolate: "step-after", strokeWidth: width, opacity, clip: true },
    encoding: { x, y, detail: field("curve", "nominal"), color: exact("colour"), order: field("order", "ordinal") } });
  for (const [i, value] of values.entries()) value.order = i;
  return { height: 320, data: { values }, layer: [
    line(false, 1, 0.7), line(true, 2, 1),
    { data: { values: labels }, mark: { type: "point", filled: true, size: 60, opacity: 1 }, encoding: { x, y, color: exact("colour"), shape: exact("shape") } },
    { data: { values: labels }, mark: { type: "text", align: "left", dx: 8, stroke: css("page"), strokeWidth: 4 }, encoding: { x, y, text: { field: "label" } } },
    { data: { values: labels }, mark: { type: "text", align: "left", dx: 8 }, encoding: { x, y, text: { field: "label" } } },
  ] };
};

// Share of runs above each value of above chance, over the shown tasks.
const profileSpec = (methods, tasks, pins) => {
  if (!CHANCE) return null;
  const curves = [];
  for (const method of methods) {
    const runs = [];
    for (const task of tasks) {
      const cell = cellOf(method, task), chance = cellOf(CHANCE, task);
      if (!hasScores(cell) || !hasScores(chance)) continue;
      const level = mean(chance.p[state.percentile]);
      if (level < 1) runs.push(cell.p[state.percentile].map((v) => (v - level) / (1 - level)));
    }
    if (!runs.length) continue;
    // Every task counts alike, whatever its seeds.
    const weighted = runs.flatMap((own) => own.map((v) => [v, 1 / own.length / runs.length])).sort((a, b) => a[0] - b[0]);
    const points = [[Math.min(-0.5, weighted[0][0]), 1]];
    let share = 1;
    for (const [v, weight] of weighted) {
      share -= weight;
      points.push([v, Math.max(0, share)]);
    }
    const name = method.label + outOf(runs.length, tasks.length);
    curves.push({ name, label: pins.has(method) ? name : "", colour: method.colour, marker: method.marker, points: thinned(points) });
  }
  const lows = curves.flatMap((c) => c.points[1] ? [c.points[1][0]] : []);
  const highs = curves.map((c) => c.points[c.points.length - 1][0]);
  return stepsSpec(curves, "above chance", "share of runs above", { domain: [Math.max(-0.5, Math.min(...lows)), Math.max(...highs)] });
};
// At most two hundred steps of a curve are more than a screen shows.
const thinned = (points) => points.length <= 200 ? points : points.filter((_, i) => i % Math.ceil(points.length / 200) === 0 || i === points.length - 1);

// Difference on every task with its interval.
const pairSpec = (rows) => {
  if (!rows.length) return null;
  const values = rows.map((row) => ({ task: row.task.label, value: row.found.value, low: Number.isFinite(row.found.low) ? row.found.low : row.found.value,
    high: Number.isFinite(row.found.high) ? row.found.high : row.found.value, verdict: row.verdict,
    colour: row.verdict === "better" ? css("gain") : row.verdict === "worse" ? css("loss") : css("muted"),
    shape: row.verdict === "better" ? "triangle-up" : row.verdict === "worse" ? "triangle-down" : "circle" }));
  const y = field("task", "nominal", { sort: null, title: null, axis: { labelLimit: 180, labelOverlap: false, grid: true } });
  const tooltip = tips(["task", "task"], ["value", "difference", "+.3f"], ["low", "from", "+.3f"], ["high", "to", "+.3f"], ["verdict", "verdict"]);
  return { height: 18 * values.length, data: { values }, layer: [
    { data: { values: [{ at: 0 }] }, mark: { type: "rule", strokeDash: [3, 3] }, encoding: { x: field("at") } },
    { mark: { type: "rule", strokeWidth: 2 }, encoding: { y, x: field("low", "quantitative", { title: "difference of normalised scores, B - A" }), x2: { field: "high" }, color: exact("colour"), tooltip } },
    { mark: { type: "point", filled: true, size: 70, opacity: 1 }, encoding: { y, x: field("value"), color: exact("colour"), shape: exact("shape"), tooltip } },
  ] };
};

// Every seed of every method on one task; the mean as a bar; the best visible score and the mean of random as lines.
const seedsSpec = (rows, task) => {
  const values = rows.flatMap(({ method, cell }) => cell.p[state.percentile].map((value, i) => ({
    method: method.label, value, seed: cell.s[i], colour: method.colour, shape: SHAPES[method.marker] })));
  if (!values.length) return null;
  const means = rows.map(({ method, cell }) => ({ method: method.label, value: mean(cell.p[state.percentile]), colour: method.colour }));
  const lines = [];
  if (task.best !== null && task.best !== undefined) lines.push({ at: task.best, what: "best visible" });
  const chance = CHANCE && cellOf(CHANCE, task);
  if (hasScores(chance)) lines.push({ at: mean(chance.p[state.percentile]), what: "mean of random" });
  const dashes = field("what", "nominal", { scale: { domain: ["best visible", "mean of random"], range: [[2, 3], [8, 3]] }, legend: null });
  const y = field("method", "nominal", { sort: rows.map(({ method }) => method.label), title: null, axis: { labelLimit: 180, labelOverlap: false, grid: true } });
  const x = field("value", "quantitative", { title: `normalised score, ${nth()} percentile`, scale: { zero: false } });
  return { height: 18 * rows.length, data: { values }, layer: [
    { data: { values: lines }, mark: { type: "rule" }, encoding: { x: field("at"), strokeDash: dashes, tooltip: tips(["what", "line"], ["at", "score", ".3f"]) } },
    ...lines.map((line, i) => ({ data: { values: [line] }, mark: { type: "text", dy: -7 - 13 * i },
      encoding: { x: field("at"), y: { value: 0 }, text: { field: "what" } } })),
    { mark: { type: "point", filled: true, size: 45, opacity: 0.75 }, encoding: { y, x, color: exact("colour"), shape: exact("shape"), tooltip: tips(["method", "method"], ["seed", "seed"], ["value", "score", ".4f"]) } },
    { data: { values: means }, mark: { type: "tick", thickness: 2, size: 14 }, encoding: { y, x, color: exact("colour") } },
  ] };
};

// Shares of designs above each score: this cell's seeds, random, and the visible table.
const designsSpec = (method, cell, task) => {
  const pooled = (seeds) => seeds.flat().sort((a, b) => a - b);
  const above = (values, n = values.length) => values.map((v, i) => [v, 1 - i / (n - 1 || 1)]);
  const own = quantilesOf(cell, task), curves = [];
  if (!own.length) return null;
  for (const seed of own) curves.push({ name: "one seed", label: "", points: above(seed) });
  curves.push({ name: method.label, label: method.label, colour: method.colour, marker: method.marker, points: thinned(above(pooled(own))) });
  const random = CHANCE && method !== CHANCE ? quantilesOf(cellOf(CHANCE, task), task) : [];
  if (random.length) curves.push({ name: CHANCE.label, label: CHANCE.label, colour: CHANCE.colour, marker: CHANCE.marker, points: thinned(above(pooled(random))) });
  if (task.visible) curves.push({ name: "visible table", label: "visible table", colour: css("text"), marker: "o", points: above(task.visible) });
  return stepsSpec(curves, "normalised score", "share of designs above");
};

// Best or median of the proposals along the way.
const traceSpec = (rows, which, pins) => {
  const traced = rows.filter(({ cell }) => cell.t);
  if (!traced.length) return null;
  const values = traced.flatMap(({ method, cell }) => cell.t[which].map((y, i) => ({ x: i / (cell.t[which].length - 1), y, method: method.label,
    bold: pins.has(method), colour: pins.has(method) ? method.colour : FAINT() })));
  const ends = traced.filter(({ method }) => pins.has(method)).map(({ method, cell }) => ({ x: 1, y: cell.t[which][cell.t[which].length - 1], method: method.label }));
  const all = values.map((v) => v.y), gap = (Math.max(...all) - Math.min(...all) || 1) * 0.055;
  ends.sort((a, b) => b.y - a.y).forEach((end, i) => { end.place = i ? Math.min(end.y, ends[i - 1].place - gap) : end.y; });
  const x = field("x", "quantitative", { title: "share of the method's steps", scale: { domain: [0, 1.25], nice: false }, axis: { values: [0, 0.25, 0.5, 0.75, 1] } });
  const y = field("y", "quantitative", { title: "normalised score", scale: { zero: false } });
  return { height: 280, data: { values }, layer: [
    { mark: { type: "line", interpolate: "step-after", strokeWidth: 2 }, encoding: { x, y, detail: field("method", "nominal"), color: exact("colour"), tooltip: tips(["method", "method"]) } },
    { data: { values: ends }, mark: { type: "text", align: "left", dx: 6 }, encoding: { x, y: { ...y, field: "place" }, text: { field: "method" } } },
  ] };
};
