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
// Student's t at 97.5 % by interpolation in 1 / degrees of freedom; beyond the table it is flat to three digits.
const tQuantile = (freedom) => {
  const last = DATA.t.length;
  if (freedom >= last) return DATA.t[last - 1];
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
const DRAWS = 400;
// The interval of resamples, widened about the value as in `statistics.interval`; none where a task has too few seeds.
const NORMAL = 1.959964;
const widened = (value, drawn, sizes) => {
  const n = Math.min(...sizes);
  if (!sizes.length || n < DATA.fewest) return [null, null];
  const sorted = drawn.sort((a, b) => a - b), ends = [quantile(sorted, 0.025), quantile(sorted, 0.975)];
  const factor = Math.sqrt(n / (n - 1)) * tQuantile(sizes.reduce((sum, size) => sum + size - 1, 0)) / NORMAL;
  const [low, high] = ends.map((end) => value + factor * (end - value));
  return [Math.min(low, ends[0]), Math.max(high, ends[1])];
};
// Of each method the mean above chance over the shown tasks (each family once), with a bootstrap interval, its mean rank; how many tasks it
// was run on, how many it fits, and how many give a score above chance: as in the tables, only rows over all of them are whole.
const aggregate = (methods, tasks, percentile, intervals = true) => {
  const families = DATA.families.map((name) => tasks.filter((task) => task.family === name)).filter((list) => list.length);
  const random = generator(1);
  const drawMean = (values) => {
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += values[Math.floor(random() * values.length)];
    return sum / values.length;
  };
  const chances = new Map();
  if (CHANCE) {
    for (const task of tasks) {
      const cell = cellOf(CHANCE, task);
      if (hasScores(cell)) {
        const scores = cell.p[percentile];
        chances.set(task.index, [mean(scores), ...(intervals ? Array.from({ length: DRAWS }, () => drawMean(scores)) : [])]);
      }
    }
  }
  const lowest = new Map(tasks.map((task) => [task.index,
    Math.min(...METHODS.map((m) => cellOf(m, task)).filter(hasScores).map((cell) => mean(cell.p[percentile])))]));
  return methods.map((method) => {
    const sums = new Float64Array(1 + (intervals ? DRAWS : 0));
    let counted = 0, run = 0, given = 0;
    const ranks = [], sizes = [];
    for (const family of families) {
      const own = new Float64Array(sums.length);
      let n = 0;
      for (const task of family) {
        const cell = cellOf(method, task), chance = chances.get(task.index);
        if (!wasRun(cell)) continue;
        run += 1;
        if (cell.r[percentile] !== null) ranks.push(cell.r[percentile]);
        if (!chance || !(chance[0] < 1)) continue;
        const scores = hasScores(cell) ? cell.p[percentile] : [lowest.get(task.index)];
        if (!Number.isFinite(scores[0])) continue;
        sizes.push(cellOf(CHANCE, task).s.length, ...(hasScores(cell) ? [cell.s.length] : []));
        own[0] += (mean(scores) - chance[0]) / (1 - chance[0]);
        for (let k = 1; k < own.length; k++) {
          const level = method === CHANCE ? chance[k] : drawMean(scores);
          own[k] += (level - chance[k]) / (1 - chance[k]);
        }
        n += 1;
        given += 1;
      }
      if (!n) continue;
      counted += 1;
      for (let k = 0; k < own.length; k++) sums[k] += own[k] / n;
    }
    const value = counted ? sums[0] / counted : null;
    const [low, high] = counted && intervals ? widened(value, Array.from(sums.slice(1), (v) => v / counted), sizes) : [null, null];
    return { method, value, low, high, rank: ranks.length ? mean(ranks) : null, run, given, total: tasks.length,
      whole: given === tasks.length, missing: tasks.some((task) => !cellOf(method, task)) };
  });
};
