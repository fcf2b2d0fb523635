/** What stands around the map and the list: legend, layers, who speaks and who is blind, readiness, limits and rows. */
'use strict';

const LAYERS = ['incidents', 'cameras', 'views', 'signals', 'sensors', 'names'];
const SCALES_M = [5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000];
const SCALE_PX = 110;

/** Layers to switch, and what the marks mean. @param {CityMap} map @param {World} world */
function drawLegend(map, world) {
  refill(byId('layer-list'), LAYERS.map((layer) => node('label', {},
    node('input', { type: 'checkbox', checked: map.layers[layer], onchange: (event) => { map.layers[layer] = event.target.checked; map.restyle(map.theme); } }),
    say('l_' + layer))));
  const line = (image, text) => node('p', {}, image, text);
  refill(byId('legend-list'),
    [...LEVELS, 'none'].map((level) => line(markImage(level, 'active', ''), level === 'none' ? say('no_level') : say('level_' + level))),
    node('hr'),
    STATES.map((state) => line(markImage('IV', state, ''), say(state))),
    node('hr'),
    line(symbol('camera'), say('camera')), line(symbol('blind'), say('camera_blind')),
    line(symbol('sensor'), say('l_sensors')), line(symbol('signal'), say('l_signals')),
    world.city.truth && world.city.truth.missed.length > 0 && line(symbol('missed'), say('missed')));
}

/** A source as the map draws it. @param {string} what */
function symbol(what) {
  const shapes = {
    camera: [svg('path', { class: 'symbol-camera', d: 'M-5 7H5V-2L8.4 -10H-8.4L-5 -2Z' })],
    blind: [svg('circle', { class: 'symbol-blind', r: 11 }), svg('path', { class: 'symbol-blind', d: 'M-7 -7L7 7M7 -7L-7 7' })],
    sensor: [svg('path', { class: 'symbol-sensor', d: 'M0 -9L8 6H-8Z' })],
    signal: [svg('rect', { class: 'symbol-signal', x: -4, y: -9, width: 8, height: 18 })],
    missed: [svg('path', { class: 'symbol-missed', d: 'M-9 -9L9 9M9 -9L-9 9' })],
  };
  return svg('svg', { class: 'mark', viewBox: '-20 -20 40 40', 'aria-hidden': 'true' }, shapes[what]);
}

/** Who speaks, who is silent or blind, at the time that is shown. */
function drawSigns(world, time, blind) {
  const beat = world.beatAt(time);
  const names = [...blind.keys()].slice(0, 12).map((id) => {
    const since = blind.get(id).since_ms;
    return `${plain(id, 40)}: ${since === null || since === undefined ? say('never_spoke') : say('silent_since', clock(since))}`;
  });
  refill(byId('signs'),
    beat && node('li', {}, say('sources_live', beat.live)),
    beat && beat.silent > 0 && node('li', {}, say('sources_silent', beat.silent)),
    blind.size > 0 && node('li', { class: 'warn', title: names.join('\n') }, '⊗ ', say('blind_now', blind.size)));
  const banners = byId('banners');
  const ready = world.readiness.slice(0, 4).map((item) => node('p', { class: `banner level-${item.level || 'none'}` },
    node('b', {}, say('ready'), item.level ? ` ${item.level}` : ''), ' ', foreign(item.name || item.area_code, 40), ': ', foreign(item.headline || item.event, 120), ' · ', foreign(item.sender, 40), ' · ', say('ready_until', clock(item.until_ms))));
  const text = ready.map((element) => element.textContent).join('\n');
  if (banners.dataset.text !== text) {
    banners.dataset.text = text;
    refill(banners, ready);
  }
}

/** What is not shown, how the rows ended, and how good the answers are. */
function drawFoot(world) {
  const { limits, counters, truth } = world.city;
  const lines = limits.map((limit) => say('limits', say('lm_' + limit.what), limit.shown.toLocaleString('en'), limit.total.toLocaleString('en')));
  if (world.forgotten) lines.push(say('limits', say('lm_forgotten'), world.incidents.size, world.incidents.size + world.forgotten));
  if (truth) lines.push(`${say('truth')}: ${say('score', truth.real, truth.found, truth.missed.length, truth.false.length)}`);
  if (counters.read) lines.push(`${say('rows')}: ${say('rows_read')} ${counters.read.toLocaleString('en')}, ${say('rows_used')} ${counters.used.toLocaleString('en')}`);
  const text = lines.join('\n');
  if (byId('foot').dataset.text === text) return;
  byId('foot').dataset.text = text;
  refill(byId('foot'), lines.map((line) => node('p', {}, line)));
}

/** How long a stretch of the map is. @param {CityMap} map */
function drawScale(map) {
  const metres = [...SCALES_M].reverse().find((length) => length * map.scale <= SCALE_PX) || SCALES_M[0];
  byId('scale-bar').style.width = `${(metres * map.scale).toFixed(0)}px`;
  byId('scale-word').textContent = metres < 1000 ? say('metres', metres) : say('kilometres', metres / 1000);
}
