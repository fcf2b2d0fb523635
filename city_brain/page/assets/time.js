/** Time: how it is written in the zone of the site, and the slider that sets back what the page shows. */
'use strict';

const SPEEDS = [1, 5, 10, 30, 60, 300];
const STEP_MS = 10_000;
const TICKS_DRAWN = 600;
let zone = 'UTC';
let formats = {};

/** Sets the zone of printed times; one that the browser does not know is UTC. @param {string} name */
function setZone(name) {
  const parts = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' };
  const day = { year: 'numeric', month: '2-digit', day: '2-digit' };
  const make = (options) => new Intl.DateTimeFormat('sv-SE', { timeZone: name, ...options });
  try {
    formats = { clock: make(parts), day: make(day), whole: make({ ...day, ...parts }) };
    zone = name;
  } catch {
    setZone('UTC');
  }
}

/** The time of day. @param {number} ms @returns {string} */
function clock(ms) {
  return Number.isFinite(ms) && Math.abs(ms) < 8e15 ? formats.clock.format(ms) : `${ms} ms`;
}

/** The day. @param {number} ms @returns {string} */
function day(ms) {
  return Number.isFinite(ms) && Math.abs(ms) < 8e15 ? formats.day.format(ms) : '';
}

/** RFC 3339 with the offset of the zone. @param {number} ms @returns {string} */
function rfc3339(ms) {
  const text = formats.whole.format(ms);
  const offset = Math.round((Date.parse(text.replace(' ', 'T') + 'Z') - Math.floor(ms / 1000) * 1000) / 60000);
  const part = (value) => String(Math.floor(Math.abs(value))).padStart(2, '0');
  return `${text.replace(' ', 'T')}${offset < 0 ? '-' : '+'}${part(offset / 60)}:${part(Math.abs(offset) % 60)}`;
}

/** A time as an element: day and time, RFC 3339 in its title. @param {number} ms @returns {HTMLElement} */
function instant(ms) {
  if (!Number.isFinite(ms) || Math.abs(ms) > 8e15) return node('span', {}, `${ms} ms`);
  return node('time', { datetime: rfc3339(ms), title: rfc3339(ms) }, day(ms), ' ', node('b', {}, clock(ms)));
}

class TimeBar {
  /** @param {World} world @param {function(?number)} changed hears the time that is to be shown; null is the end */
  constructor(world, changed) {
    this.world = world;
    this.changed = changed;
    this.time = null;
    this.speed = SPEEDS[2];
    this.playing = false;
    this.slider = byId('time-slider');
    this.slider.addEventListener('input', () => this.set(Number(this.slider.value)));
    byId('play').addEventListener('click', () => this.toggle());
    byId('to-end').addEventListener('click', () => this.end());
    byId('speed').addEventListener('change', (event) => { this.speed = Number(event.target.value); });
    refill(byId('speed'), SPEEDS.map((speed) => node('option', { value: speed, selected: speed === this.speed }, say('speed_x', speed))));
    new ResizeObserver(() => this.drawMarks()).observe(byId('time-marks'));
  }

  /** Whether the page looks at something else than the newest that it knows. */
  get back() {
    return this.time !== null;
  }

  /** Goes to a time; the end, where it lies at or behind it. @param {?number} ms */
  set(ms) {
    const { firstMs, lastMs } = this.world;
    if (firstMs === null) return;
    const next = ms === null || ms >= lastMs ? null : Math.max(ms, firstMs);
    if (next === null) this.playing = false;
    if (next === this.time) { this.paint(); return; }
    this.time = next;
    this.changed(next);
  }

  end() {
    this.playing = false;
    this.set(null);
  }

  step(ms) {
    this.set((this.time === null ? this.world.lastMs : this.time) + ms);
  }

  /** Plays or stops; from the end it begins anew. */
  toggle() {
    this.playing = !this.playing;
    if (this.playing) {
      if (this.time === null) this.set(this.world.firstMs);
      this.last = performance.now();
      requestAnimationFrame((now) => this.frame(now));
    }
    this.paint();
  }

  frame(now) {
    if (!this.playing) return;
    const passed = now - this.last;
    if (passed >= 60) {
      this.last = now;
      this.set(Math.round(this.time + passed * this.speed));
    }
    requestAnimationFrame((next) => this.frame(next));
  }

  /** Shows where it stands. */
  paint() {
    const { firstMs, lastMs, city } = this.world;
    const none = firstMs === null || lastMs === firstMs;
    const shown = this.time === null ? lastMs : this.time;
    dress(this.slider, { min: firstMs ?? 0, max: lastMs ?? 1, step: 1000, disabled: none, 'aria-valuetext': none ? '' : `${day(shown)} ${clock(shown)}` });
    this.slider.value = shown ?? 0;
    dress(byId('play'), { 'aria-label': say(this.playing ? 'pause' : 'play'), title: say(this.playing ? 'pause' : 'play'), disabled: none });
    byId('play').textContent = this.playing ? '❚❚' : '▶';
    byId('to-end').textContent = say(city.live ? 'now_live' : 'now');
    byId('to-end').disabled = this.time === null;
    byId('time-first').textContent = none ? '' : clock(firstMs);
    byId('time-last').textContent = none ? '' : clock(lastMs);
    byId('clock').textContent = shown === null ? '–' : clock(shown);
    byId('clock-day').textContent = shown === null ? '' : `${day(shown)} ${zone}`;
    byId('clock-word').textContent = say(this.back ? 'as_known' : 'updated');
    document.body.classList.toggle('looking-back', this.back);
    this.drawMarks();
  }

  /** A stroke above the slider for each announcement, as high as it is grave. */
  drawMarks() {
    const { world } = this;
    const key = `${world.firstMs}/${world.lastMs}/${world.incidents.size}/${this.marksFor}`;
    if (world.firstMs === null || key === this.marksKey) return;
    this.marksKey = key;
    const x = scaled(world.firstMs, world.lastMs, 0, 1000);
    const strokes = [];
    for (const held of world.incidents.values()) {
      const said = held.revisions[held.revisions.length - 1];
      if (said.detected_ms === null || strokes.length >= TICKS_DRAWN) continue;
      const height = 16 - 3 * (said.level ? LEVELS.indexOf(said.level) : 4);
      strokes.push(svg('rect', { class: `stroke level-${said.level || 'none'}`, x: (x(said.detected_ms) - 1).toFixed(1), y: 16 - height, width: 2.4, height }));
    }
    refill(byId('time-marks'), strokes);
  }
}
