/** The list of incidents and its filters; only the rows in sight are in the document, so thousands scroll as well as ten. */
'use strict';

const ROW_PX = 64;
const MORE_ROWS = 6;

class List {
  /**
   * @param {World} world
   * @param {{choose: function(?string), open: function(), filter: function(Object)}} heard what the list tells of
   */
  constructor(world, heard) {
    this.world = world;
    this.heard = heard;
    this.rows = [];
    this.waiting = null;
    this.chosen = null;
    this.over = false;
    this.all = false;
    this.box = byId('list');
    this.tall = byId('list-rows');
    this.box.addEventListener('scroll', () => this.paint());
    this.box.addEventListener('pointerenter', () => { this.over = true; });
    this.box.addEventListener('pointerleave', () => { this.over = false; this.release(); });
    this.box.addEventListener('keydown', (event) => this.key(event));
    byId('news').addEventListener('click', () => this.release());
    new ResizeObserver(() => this.paint()).observe(this.box);
  }

  /**
   * Takes rows; while the pointer is over a live list its order stays, and a button says how many are new.
   * @param {Array<Object>} rows @param {?string} chosen @param {boolean} keep whether the order may be kept
   */
  show(rows, chosen, keep) {
    this.chosen = chosen;
    if (keep && this.over) {
      const now = new Map(rows.map((row) => [row.id, row]));
      const had = new Set(this.rows.map((row) => row.id));
      const fresh = rows.filter((row) => !had.has(row.id)).length;
      this.waiting = rows;
      this.rows = this.rows.map((row) => now.get(row.id) || row);
      byId('news').hidden = fresh === 0;
      byId('news').textContent = say('more_news', fresh);
    } else {
      this.waiting = null;
      this.rows = rows;
      byId('news').hidden = true;
    }
    this.paint();
  }

  release() {
    byId('news').hidden = true;
    if (!this.waiting) return;
    this.rows = this.waiting;
    this.waiting = null;
    this.paint();
  }

  /** Puts the rows in sight into the document. */
  paint() {
    const { rows, box } = this;
    this.tall.style.height = `${rows.length * ROW_PX}px`;
    const first = this.all ? 0 : Math.max(0, Math.floor(box.scrollTop / ROW_PX) - MORE_ROWS);
    const last = this.all ? rows.length : Math.min(rows.length, Math.ceil((box.scrollTop + box.clientHeight) / ROW_PX) + MORE_ROWS);
    refill(this.tall, rows.slice(first, last).map((row, at) => this.row(row, first + at)));
    const chosen = rows.findIndex((row) => row.id === this.chosen);
    dress(box, { 'aria-activedescendant': chosen >= first && chosen < last ? `row-${chosen}` : null });
  }

  row(row, at) {
    const said = row.said;
    const level = said.level || 'none';
    const element = node('div', {
      id: `row-${at}`, class: `row state-${said.state}`, role: 'option', 'aria-selected': row.id === this.chosen ? 'true' : 'false',
      'aria-setsize': this.rows.length, 'aria-posinset': at + 1,
      onclick: () => this.heard.choose(row.id), ondblclick: () => this.heard.open(),
    },
    markImage(level, said.state, markLetter(said.type)),
    node('div', { class: 'row-words' },
      node('div', { class: 'row-title' }, foreign(this.world.headline(said), 70)),
      node('div', { class: 'row-facts' },
        node('span', { class: 'number' }, plain(said.number, 16)),
        this.world.falsely.has(row.id) && node('span', { class: 'tag' }, say('tag_false')), ' · ', say(said.state),
        said.level ? ` · ${say('level')} ${said.level}` : '', ' · ', clock(said.detected_ms ?? said.first_seen_ms),
        said.status !== 'actual' && node('span', { class: 'tag' }, say('status_' + said.status)))),
    node('div', { class: 'row-confidence' }, node('b', {}, percent(said.confidence)), bar(said.confidence)));
    element.style.transform = `translateY(${at * ROW_PX}px)`;
    return element;
  }

  /** Chooses the row so many steps on. @param {number} by */
  step(by) {
    const at = this.rows.findIndex((row) => row.id === this.chosen);
    const next = at < 0 ? (by > 0 ? 0 : this.rows.length - 1) : Math.min(Math.max(at + by, 0), this.rows.length - 1);
    if (!this.rows[next]) return;
    this.heard.choose(this.rows[next].id);
    this.reveal();
  }

  /** Scrolls to what is chosen. */
  reveal() {
    const at = this.rows.findIndex((row) => row.id === this.chosen);
    if (at < 0) return;
    const top = at * ROW_PX;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (top + ROW_PX > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = top + ROW_PX - this.box.clientHeight;
    this.paint();
  }

  key(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8, End: 1e9, Home: -1e9 };
    if (!(event.key in steps)) return;
    event.preventDefault();
    this.step(steps[event.key]);
  }
}

/** A share as a small bar. @param {number} share @returns {SVGElement} */
function bar(share) {
  return svg('svg', { class: 'bar', viewBox: '0 0 48 4', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    svg('rect', { class: 'bar-all', width: 48, height: 4, rx: 1 }), svg('rect', { class: 'bar-share', width: (48 * share).toFixed(1), height: 4, rx: 1 }));
}

/** A probability as people read it; nothing is sure. @param {number} share @returns {string} */
function percent(share) {
  return share >= 0.995 ? '> 99 %' : `${Math.round(100 * share)} %`;
}

/** The filters above the list: words, least confidence, and a button for each state, level and type that there is. */
class Filters {
  /** @param {World} world @param {function(Object)} changed */
  constructor(world, changed) {
    this.world = world;
    this.changed = changed;
    this.filter = openFilter();
    byId('search').addEventListener('input', (event) => this.set({ text: event.target.value.slice(0, 200) }));
    byId('confidence').addEventListener('input', (event) => this.set({ confidence: Number(event.target.value) / 100 }));
    byId('reset').addEventListener('click', () => { this.adopt(openFilter()); changed(this.filter); });
  }

  set(part) {
    Object.assign(this.filter, part);
    this.changed(this.filter);
  }

  /** Shows a filter that came from elsewhere. */
  adopt(filter) {
    this.filter = filter;
    byId('search').value = filter.text;
    byId('confidence').value = Math.round(100 * filter.confidence);
  }

  /** @param {{types: Map, states: Map, levels: Map}} counts @param {number} shown @param {number} known */
  paint(counts, shown, known) {
    byId('confidence-value').textContent = `≥ ${Math.round(100 * this.filter.confidence)} %`;
    byId('count').textContent = say('shown_of', shown, known);
    const open = openFilter();
    byId('reset').hidden = Object.keys(open).every((part) => (this.filter[part].size ?? this.filter[part]) === (open[part].size ?? open[part]));
    const types = [...new Set([...counts.types.keys(), ...this.filter.types])].sort((a, b) => this.world.typeName(a).localeCompare(this.world.typeName(b), language));
    this.buttons('states', STATES, counts.states, (state) => say(state));
    this.buttons('levels', [...LEVELS, 'none'], counts.levels, (level) => (level === 'none' ? say('no_level') : level), (level) => markImage(level, 'active', ''));
    this.buttons('types', types, counts.types, (type) => plain(this.world.typeName(type), 40));
  }

  buttons(part, all, counts, word, image) {
    const box = byId(`filter-${part}`);
    const held = document.activeElement && box.contains(document.activeElement) ? document.activeElement.dataset.value : null;
    refill(box, all.map((value) => {
      const on = this.filter[part].has(value);
      const count = counts.get(value) || 0;
      return node('button', {
        type: 'button', class: 'chip', 'aria-pressed': on ? 'true' : 'false', 'data-value': value, 'data-empty': count === 0,
        onclick: () => { if (!this.filter[part].delete(value)) this.filter[part].add(value); this.changed(this.filter); },
      }, image && image(value), word(value), node('span', { class: 'chip-count' }, count));
    }));
    if (held !== null) for (const button of box.children) if (button.dataset.value === held) button.focus();
  }
}
