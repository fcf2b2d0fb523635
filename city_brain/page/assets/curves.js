/** Small charts: how the belief in an incident moved, and what the sensors and the road around it read. */
'use strict';

const CHART = { width: 420, height: 96, left: 34, right: 8, top: 8, bottom: 16 };

/** A scale from values to pixels. @param {number} from @param {number} to @param {number} start @param {number} end */
function scaled(from, to, start, end) {
  const span = to - from || 1;
  return (value) => start + ((value - from) / span) * (end - start);
}

/** A path through points; between two that lie farther apart than `gap` nothing is drawn. */
function pathOf(points, gap = Infinity) {
  return points.map(([x, y], k) => `${k && x - points[k - 1][0] <= gap ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`).join('');
}

/** How far apart two readings lie between which none is missing: a few times the usual distance. */
function usualGap(times, x) {
  const steps = times.slice(1).map((ms, k) => x(ms) - x(times[k])).sort((a, b) => a - b);
  return Math.max(5 * (steps[Math.floor(steps.length / 2)] || 0), 6);
}

/** A number in few digits. @param {number} value */
function short(value) {
  const size = Math.abs(value);
  return size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1).replace(/\.0$/, '') : value.toFixed(2).replace(/\.?0+$/, '');
}

/** The frame of a chart: times below, values at the left. */
function chartFrame(x, y, firstMs, lastMs, low, high, label) {
  const { width, height, left, right, bottom } = CHART;
  return svg('svg', { class: 'chart', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label },
    svg('path', { class: 'axis', d: `M${left} ${y(high)}V${y(low)}H${width - right}` }),
    svg('text', { class: 'tick end', x: left - 5, y: y(high) + 8 }, short(high)),
    svg('text', { class: 'tick end', x: left - 5, y: y(low) }, short(low)),
    svg('text', { class: 'tick', x: left, y: height - bottom + 13 }, clock(firstMs)),
    svg('text', { class: 'tick end', x: width - right, y: height - bottom + 13 }, clock(lastMs)));
}

/**
 * How the confidence moved from revision to revision, with the line from which on an incident is announced.
 * @param {World} world @param {Array<Object>} all revisions @param {Object} said the one that is shown
 */
function beliefChart(world, all, said) {
  const { width, height, left, right, top, bottom } = CHART;
  const kind = own(world.city.types, said.type);
  const firstMs = all[0].updated_ms, lastMs = Math.max(all[all.length - 1].updated_ms, firstMs + 1000);
  const x = scaled(firstMs, lastMs, left, width - right);
  const low = Math.min(...all.map((revision) => revision.confidence)) < 0.6 ? 0 : 0.5;
  const y = scaled(low, 1, height - bottom, top);
  const points = [];
  all.forEach((revision, k) => {
    if (k) points.push([x(revision.updated_ms), y(all[k - 1].confidence)]);
    points.push([x(revision.updated_ms), y(revision.confidence)]);
  });
  const open = kind ? confidenceOf(kind.open, kind) : null;
  return fill(chartFrame(x, y, firstMs, lastMs, low, 1, `${say('believed')}: ${all.map((revision) => `${clock(revision.updated_ms)} ${percent(revision.confidence)}`).slice(0, 20).join(', ')}`), [
    open !== null && svg('path', { class: 'limit', d: `M${left} ${y(open)}H${width - right}` }),
    open !== null && svg('text', { class: 'tick limit-word', x: left + 4, y: y(open) + 11 }, `${say('announced')} ${open.toFixed(2)}`),
    svg('path', { class: 'belief', d: pathOf(points) }),
    all.map((revision) => svg('circle', { class: `dot ${revision.state}`, cx: x(revision.updated_ms).toFixed(1), cy: y(revision.confidence).toFixed(1), r: revision.revision === said.revision ? 4.5 : 2.5 })),
  ]);
}

/** What a curve is of, in words. @param {Object} curve */
function curveName(curve) {
  if (curve.what === 'road_speed' || curve.what === 'road_queue') return say(curve.what);
  return named(curve.what) || curve.what.replaceAll('_', ' ');
}

/** The limit that an incident's evidence names for what a curve shows, or null. */
function limitOf(said, curve) {
  for (const item of said.evidence) {
    if (!item.sources.includes(curve.of) || (item.note.unit && item.note.unit !== curve.unit)) continue;
    const name = Object.keys(item.note).find((word) => /(^|_)(limit|threshold)(_|$)/.test(word));
    if (name && typeof item.note[name] === 'number') return item.note[name];
  }
  return null;
}

/**
 * One curve, with what is usual as a band, the time of the incident shaded and the time that is shown as a line.
 * @param {Object} curve @param {Object} said @param {?number} time
 */
function curveChart(curve, said, time) {
  const { width, height, left, right, top, bottom } = CHART;
  const times = curve.times_ms.map((ms) => curve.first_ms + ms);
  const limit = limitOf(said, curve);
  const lows = [...curve.values, ...curve.usual], highs = lows.concat(limit === null ? [] : [limit]);
  let low = Math.min(...lows), high = Math.max(...highs);
  if (low >= 0 && low < 0.4 * high) low = 0;
  if (high - low < 1e-6) high = low + 1;
  const firstMs = times[0], lastMs = times[times.length - 1];
  const x = scaled(firstMs, lastMs, left, width - right), y = scaled(low, high, height - bottom, top);
  const inside = (ms) => Math.min(Math.max(x(ms), left), width - right);
  const from = inside(said.first_seen_ms), to = inside(said.ended_ms ?? Math.max(lastMs, said.updated_ms));
  const usual = curve.usual.map((value, k) => [x(times[k]), y(value)]);
  const name = `${curveName(curve)}, ${curve.unit}: ${short(Math.min(...curve.values))} – ${short(Math.max(...curve.values))}`;
  return fill(chartFrame(x, y, firstMs, lastMs, low, high, name), [
    svg('rect', { class: 'during', x: from.toFixed(1), y: top, width: Math.max(to - from, 1).toFixed(1), height: height - top - bottom }),
    usual.length > 0 && curve.spread > 0 && svg('path', { class: 'band', d: bandOf(curve, times, x, y, low, high) }),
    usual.length > 0 && svg('path', { class: 'usual', d: pathOf(usual) }),
    limit !== null && svg('path', { class: 'limit', d: `M${left} ${y(limit)}H${width - right}` }),
    limit !== null && svg('text', { class: 'tick limit-word', x: left + 4, y: y(limit) - 3 }, `${say('threshold')} ${short(limit)}`),
    svg('path', { class: 'curve', d: pathOf(times.map((ms, k) => [x(ms), y(curve.values[k])]), usualGap(times, x)) }),
    time !== null && time >= firstMs && time <= lastMs && svg('path', { class: 'cursor', d: `M${x(time).toFixed(1)} ${top}V${height - bottom}` }),
  ]);
}

/** Two sigmas about what is usual, within the frame. */
function bandOf(curve, times, x, y, low, high) {
  const within = (value) => y(Math.min(Math.max(value, low), high));
  const over = curve.usual.map((value, k) => [x(times[k]), within(value + 2 * curve.spread)]);
  const under = curve.usual.map((value, k) => [x(times[k]), within(value - 2 * curve.spread)]).reverse();
  return pathOf(over.concat(under)) + 'Z';
}
