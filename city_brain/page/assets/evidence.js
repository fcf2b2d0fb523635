/** Why an incident is believed: each piece of evidence with its log-odds as a bar, and the sum that is its confidence. */
'use strict';

const SOURCES_NAMED = 2;

/** Log-odds with their sign. @param {number} value @returns {string} */
function signed(value) {
  return (value < 0 ? '−' : '+') + Math.abs(value).toFixed(2);
}

/** A bar from the middle, to the right for and to the left against. @param {number} value @param {number} most */
function signedBar(value, most) {
  const length = Math.min(Math.abs(value) / most, 1) * 50;
  return svg('svg', { class: 'signed', viewBox: '0 0 100 10', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    svg('rect', { class: value < 0 ? 'minus' : 'plus', x: value < 0 ? (50 - length).toFixed(1) : 50, y: 1, width: length.toFixed(1), height: 8 }),
    svg('path', { class: 'zero', d: 'M50 0V10' }));
}

/** A source as a button that shows it on the map; what is on no map is a person's report. */
function sourceButton(world, id, see) {
  const own = id.slice(id.lastIndexOf('/') + 1);
  const name = own.startsWith('source:') ? say('unmapped') : id;
  if (!world.sources.has(id)) return node('span', { class: 'source off-map' }, foreign(name, 40));
  return node('button', { type: 'button', class: 'source', 'data-source': id, title: say('see_source', plain(id, 60)), onclick: () => see(id) }, foreign(name, 40));
}

/** A few sources, the rest behind a count. */
function sourceList(world, ids, see, most = SOURCES_NAMED) {
  const box = node('div', { class: 'sources' });
  const some = ids.slice(0, most).map((id) => sourceButton(world, id, see));
  const rest = ids.length - most;
  const more = rest > 0 && node('button', { type: 'button', class: 'more', onclick: () => { box.classList.add('whole'); refill(box, ids.slice(0, 300).map((id) => sourceButton(world, id, see))); } }, `+${rest}`);
  return fill(box, [some, more]);
}

/** The figures of a piece of evidence. @param {Object} item @returns {string} */
function figures(item) {
  const parts = Object.entries(item.note).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => `${name.replaceAll('_', ' ')} ${typeof value === 'boolean' ? (value ? '✓' : '✗') : value}`);
  if (item.distance_m !== null) parts.unshift(say('metres', item.distance_m.toFixed(1)));
  return parts.join(' · ');
}

/**
 * The evidence of a revision as a table, heaviest first in each part, with prior, sum and confidence.
 * @param {World} world @param {Object} said @param {function(string)} see shows a source
 */
function evidenceTable(world, said, see) {
  const sum = world.sum(said);
  const heaviest = said.evidence.slice().sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight));
  const own = heaviest.filter((item) => item.rule === said.type);
  const parts = [
    ['for', own.filter((item) => item.weight > 0)],
    ['against', own.filter((item) => item.weight < 0)],
    ['joined', heaviest.filter((item) => item.rule !== said.type)],
    ['not_counted', own.filter((item) => item.weight === 0)],
  ].filter(([, items]) => items.length);
  const most = Math.max(1, Math.abs(sum ? sum.prior : 0), ...said.evidence.map((item) => Math.abs(item.weight)));
  const bodies = parts.map(([part, items]) => node('tbody', {},
    node('tr', { class: 'part' }, node('th', { colspan: 3, scope: 'rowgroup' }, say(part))),
    items.map((item) => evidenceRow(world, item, most, see))));
  return node('table', { class: 'evidence' },
    node('caption', { class: 'unseen' }, say('why')),
    node('colgroup', {}, node('col'), node('col', { class: 'col-figure' }), node('col', { class: 'col-bar' })),
    node('thead', {}, node('tr', {}, node('th', { scope: 'col' }, say('evidence')), node('th', { scope: 'col', colspan: 2, class: 'figure' }, say('weight')))),
    sum && node('tbody', {}, plainRow(say('prior'), say('prior_why'), sum.prior, most)),
    bodies,
    sum && node('tfoot', {},
      sum.rest !== 0 && plainRow(say('rest'), '', sum.rest, most),
      sum.calibration !== 0 && plainRow(say('calibration'), say('calibration_why'), sum.calibration, most),
      node('tr', { class: 'total' },
        node('th', { scope: 'row' }, say('sum'), ' ', node('span', { class: 'soft' }, say('sum_is', said.confidence.toFixed(3)), ' · ', say('from_announced', signed(calibrated(world.city.types[said.type].open, world.city.types[said.type]))))),
        node('td', { class: 'figure' }, signed(sum.total)), node('td', {}, signedBar(sum.total, Math.max(most, Math.abs(sum.total)))))));
}

function plainRow(title, note, value, most) {
  return node('tr', {}, node('th', { scope: 'row' }, title, note && node('div', { class: 'soft' }, note)),
    node('td', { class: 'figure' }, signed(value)), node('td', {}, signedBar(value, most)));
}

function evidenceRow(world, item, most, see) {
  const span = item.last_ms > item.first_ms ? ` ${say('after_s', Math.round((item.last_ms - item.first_ms) / 1000))}` : '';
  return node('tr', { class: item.weight < 0 ? 'minus' : '' },
    node('th', { scope: 'row' }, foreign(world.phrase(item), 80),
      node('div', { class: 'soft' }, clock(item.first_ms), span, figures(item) && ' · ', figures(item) && foreign(figures(item), 120)),
      sourceList(world, item.sources, see)),
    node('td', { class: 'figure' }, signed(item.weight)),
    node('td', {}, signedBar(item.weight, most)));
}

/**
 * What spoke against an incident in other revisions, each saying once, at its heaviest.
 * @param {World} world @param {Object} held @param {Object} said
 */
function elsewhen(world, held, said) {
  const name = (item) => `${item.rule}/${item.what}/${item.sources.join()}`;
  const here = new Set(said.evidence.filter((item) => item.weight < 0).map(name));
  const found = new Map();
  for (const revision of held.revisions) {
    if (revision.revision === said.revision) continue;
    for (const item of revision.evidence) {
      if (item.weight >= 0 || here.has(name(item))) continue;
      const known = found.get(name(item));
      if (!known || item.weight < known.item.weight) found.set(name(item), { item, revision });
    }
  }
  return [...found.values()].sort((a, b) => a.item.weight - b.item.weight).slice(0, 8);
}
