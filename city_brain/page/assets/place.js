/** The view in the address: filter, selection, time, language, theme and place of the map, so a link shows the same. */
'use strict';

const THEMES = ['dark', 'light'];

/** The view as the part of an address behind `#`. @param {Object} view @returns {string} */
function toHash(view) {
  const { filter, map } = view;
  const parts = new URLSearchParams();
  const put = (name, value) => { if (value) parts.set(name, value); };
  put('lang', view.language);
  put('theme', view.theme);
  put('id', view.chosen);
  put('t', view.time);
  put('q', filter.text);
  put('conf', filter.confidence ? String(Math.round(100 * filter.confidence)) : '');
  for (const part of ['types', 'states', 'levels']) put(part, [...filter[part]].sort().join('.'));
  if (map) put('at', [map.x.toFixed(0), map.y.toFixed(0), map.scale.toFixed(3)].join('_'));
  return parts.toString();
}

/** What an address says of a view; whatever makes no sense is left out. @param {string} hash @returns {Object} */
function fromHash(hash) {
  const parts = new URLSearchParams(hash.replace(/^#/, ''));
  const filter = openFilter();
  filter.text = (parts.get('q') || '').slice(0, 200);
  const confidence = Number(parts.get('conf'));
  if (confidence > 0 && confidence <= 100) filter.confidence = confidence / 100;
  for (const part of ['types', 'states', 'levels']) filter[part] = new Set((parts.get(part) || '').split('.').filter(Boolean).slice(0, 50));
  const time = Number(parts.get('t'));
  const at = (parts.get('at') || '').split('_').map(Number);
  return {
    filter,
    language: Object.hasOwn(WORDS, parts.get('lang') || '') ? parts.get('lang') : null,
    theme: THEMES.includes(parts.get('theme')) ? parts.get('theme') : null,
    chosen: parts.get('id') || null,
    time: Number.isSafeInteger(time) && time > 0 ? time : null,
    map: at.length === 3 && at.every(Number.isFinite) && at[2] > 0 ? { x: at[0], y: at[1], scale: at[2] } : null,
  };
}
