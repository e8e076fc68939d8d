// Statistics of seeds, as bbo/reporting/board/statistics.py has them.
const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;
const variance = (values) => {
  const centre = mean(values);
  return values.reduce((sum, v) => sum + (v - centre) ** 2, 0) / (values.length - 1);
};
const deviation = (values) => Math.sqrt(variance(values) * (values.length - 1) / values.length);
const median = (values) => {
  if (!values.length) return NaN;
  const sorted = [...values].sort((a, b) => a - b), half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};
const quantile = (sorted, share) => {
  const place = share * (sorted.length - 1), low = Math.floor(place);
  return sorted[low] + (place - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
};
// The normal distribution's 97.5 % point, and Student's by interpolation in 1 / degrees of freedom, beyond the table towards the normal one.
const NORMAL = 1.959964;
const tQuantile = (freedom) => {
  const last = DATA.t.length;
  if (freedom >= last) return NORMAL + (DATA.t[last - 1] - NORMAL) * (last / freedom);
  const low = Math.max(1, Math.floor(freedom)), high = Math.min(last, low + 1);
  const share = high === low ? 0 : (1 / Math.max(1, freedom) - 1 / low) / (1 / high - 1 / low);
  return DATA.t[low - 1] + share * (DATA.t[high - 1] - DATA.t[low - 1]);
};
// The difference b - a of two cells at one percentile, with the scores x and y that it is of: paired over the seeds that both have where
// these are at least two, else over all seeds of each (Welch).
const difference = (a, b, percentile) => {
  if (!hasScores(a) || !hasScores(b)) return null;
  let x = a.p[percentile], y = b.p[percentile];
  const common = a.s.filter((seed) => b.s.includes(seed));
  const paired = common.length >= 2 || (common.length === 1 && x.length === 1 && y.length === 1);
  if (paired) {
    x = common.map((seed) => a.p[percentile][a.s.indexOf(seed)]);
    y = common.map((seed) => b.p[percentile][b.s.indexOf(seed)]);
  }
  let value = mean(y) - mean(x);
  const seeds = Math.min(x.length, y.length);
  const same = paired && common.length === Math.max(a.s.length, b.s.length) && x.every((v, i) => v === y[i]);
  if (seeds < DATA.fewest) return { value, low: NaN, high: NaN, spread: NaN, freedom: 0, seeds, paired, same, x, y };
  const parts = paired ? [[variance(x.map((v, i) => y[i] - v)) / x.length, x.length]]
    : [[variance(x) / x.length, x.length], [variance(y) / y.length, y.length]];
  const total = parts.reduce((sum, [v]) => sum + v, 0);
  // Differences of equal numbers are zero up to rounding.
  const spread = total < 1e-24 ? 0 : total;
  if (!spread && Math.abs(value) < 1e-12) value = 0;
  const freedom = spread ? spread ** 2 / parts.reduce((sum, [v, n]) => sum + v ** 2 / (n - 1), 0) : Infinity;
  const half = spread ? tQuantile(freedom) * Math.sqrt(spread) : 0;
  return { value, low: value - half, high: value + half, spread, freedom, seeds, paired, same, x, y };
};
// The verdicts of `bbo compare`, by its rules.
const verdictOf = (a, b, found) => {
  if (!wasRun(a)) return "only in B";
  if (!wasRun(b)) return "only in A";
  if (!found) return "failed";
  if (found.same) return "identical";
  if (found.seeds < DATA.fewest) return "too few seeds";
  const beyondNoise = found.low > 0 || found.high < 0;
  if (Math.abs(found.value) < DATA.relevant && (beyondNoise || Math.max(-found.low, found.high) < DATA.relevant)) return "negligible";
  return beyondNoise ? (found.low > 0 ? "better" : "worse") : "within noise";
};
// Mean over tasks of the differences, with Welch and Satterthwaite's interval of a sum.
const overall = (found) => {
  const value = mean(found.map((d) => d.value)), n = found.length;
  const usable = found.every((d) => Number.isFinite(d.spread));
  const total = found.reduce((sum, d) => sum + d.spread, 0) / n ** 2;
  if (!usable) return { value, low: NaN, high: NaN };
  if (!total) return { value, low: value, high: value };
  const freedom = total ** 2 / found.reduce((sum, d) => sum + (d.spread ? (d.spread / n ** 2) ** 2 / d.freedom : 0), 0);
  const half = tQuantile(freedom) * Math.sqrt(total);
  return { value, low: value - half, high: value + half };
};
// A small generator with a fixed start: the same page shows the same intervals.
const generator = (start) => () => {
  start = (start + 0x6d2b79f5) | 0;
  let t = Math.imul(start ^ (start >>> 15), 1 | start);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};
const DRAWS = 2000;
// The interval of resamples (a Float64Array, which sorts as numbers), widened about the value as in `statistics.interval`.
const widened = (value, drawn, sizes) => {
  const n = Math.min(...sizes);
  const sorted = drawn.sort(), ends = [quantile(sorted, 0.025), quantile(sorted, 0.975)];
  const factor = Math.sqrt(n / (n - 1)) * tQuantile(sizes.reduce((sum, size) => sum + size - 1, 0)) / NORMAL;
  const [low, high] = ends.map((end) => value + factor * (end - value));
  return [Math.min(low, ends[0]), Math.max(high, ends[1])];
};
// Of each method the mean above chance over the shown tasks (each family once), with a bootstrap interval, and its mean rank; on how many
// tasks it was run, how many give a score above chance, whether all do (`whole`), and whether it was not run on one that it fits (`missing`).
const aggregate = (methods, tasks, percentile) => {
  const families = DATA.families.map((name) => tasks.filter((task) => task.family === name)).filter((list) => list.length);
  const random = generator(1);
  const drawMean = (values) => {
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += values[(random() * values.length) | 0];
    return sum / values.length;
  };
  const chances = new Map();
  if (CHANCE) {
    for (const task of tasks) {
      const cell = cellOf(CHANCE, task);
      if (hasScores(cell)) {
        const scores = cell.p[percentile];
        chances.set(task.index, [mean(scores), ...Array.from({ length: DRAWS }, () => drawMean(scores))]);
      }
    }
  }
  const lowest = new Map(tasks.map((task) => [task.index,
    Math.min(...METHODS.map((m) => cellOf(m, task)).filter(hasScores).map((cell) => mean(cell.p[percentile])))]));
  return methods.map((method) => {
    const run = tasks.map((task) => cellOf(method, task)).filter(wasRun);
    const ranks = run.map((cell) => cell.r[percentile]).filter((rank) => rank !== null);
    const scoresOn = (task) => (hasScores(cellOf(method, task)) ? cellOf(method, task).p[percentile] : [lowest.get(task.index)]);
    const gives = (task) => wasRun(cellOf(method, task)) && chances.get(task.index)?.[0] < 1 && Number.isFinite(scoresOn(task)[0]);
    const parts = families.map((family) => family.filter(gives)).filter((family) => family.length), given = parts.flat();
    const sizes = given.flatMap((task) => [CHANCE, method].map((side) => cellOf(side, task)).filter(hasScores).map((cell) => cell.s.length));
    // First the scores as they are, then the resamples; one in which random reaches 1 gives no number on that task.
    const sums = new Float64Array(1 + (Math.min(...sizes) < DATA.fewest ? 0 : DRAWS)), counts = new Float64Array(sums.length);
    for (const family of parts) {
      const own = new Float64Array(sums.length), n = new Float64Array(sums.length);
      for (const task of family) {
        const scores = scoresOn(task), chance = chances.get(task.index);
        for (let k = 0; k < own.length; k++) {
          if (!(chance[k] < 1)) continue;
          const level = method === CHANCE ? chance[k] : k ? drawMean(scores) : mean(scores);
          own[k] += (level - chance[k]) / (1 - chance[k]);
          n[k] += 1;
        }
      }
      for (let k = 0; k < own.length; k++) {
        if (!n[k]) continue;
        sums[k] += own[k] / n[k];
        counts[k] += 1;
      }
    }
    const means = sums.map((v, k) => v / counts[k]), drawn = means.slice(1).filter(Number.isFinite);
    const value = given.length ? means[0] : null;
    const [low, high] = drawn.length ? widened(value, drawn, sizes) : [null, null];
    return { method, value, low, high, rank: ranks.length ? mean(ranks) : null, run: run.length, given: given.length, total: tasks.length,
      whole: given.length === tasks.length, missing: tasks.some((task) => !cellOf(method, task)) };
  });
};
