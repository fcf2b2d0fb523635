/** The page as a whole: it holds the view, lets each part show it, and hears keys, buttons, the address and the feed. */
'use strict';

const KEYS = [['j  k', 'k_move'], ['Enter', 'k_open'], ['Esc', 'k_close'], ['/', 'k_search'], ['Space', 'k_play'], [',  .', 'k_time'], ['0', 'k_fit'], ['l', 'k_language'], ['t', 'k_theme'], ['?', 'k_help']];
const CLOSE_UP = 1.6;
const HASH_AFTER_MS = 250;

class Page {
  /** @param {Object} city the document */
  constructor(city) {
    setZone(city.zone);
    this.world = new World(city);
    this.chosen = null;
    this.lit = null;
    const choose = (id) => this.choose(id);
    this.map = new CityMap(byId('map'), this.world, { choose, moved: () => this.moved() });
    this.list = new List(this.world, { choose, open: () => this.open() });
    this.filters = new Filters(this.world, () => this.show());
    this.detail = new Detail(this.world, { see: (id) => this.see(id), time: (ms) => this.time.set(ms), close: () => this.choose(null), choose });
    this.time = new TimeBar(this.world, () => this.show());
    this.adopt(fromHash(location.hash));
    this.listen();
    window.addEventListener('hashchange', () => { if (location.hash.slice(1) !== this.hash) this.adopt(fromHash(location.hash)); });
    if (city.live) this.feed = new Feed(this.world, { changed: () => this.soon(), status: () => this.pill() });
    byId('legend').open = innerWidth > 1279;
    document.body.classList.add('ready');
  }

  /** Shows a view that an address named. */
  adopt(view) {
    if (view.language) language = view.language;
    this.theme = view.theme || (matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark');
    this.filters.adopt(view.filter);
    this.chosen = view.chosen;
    if (view.map) this.map.goTo(view.map.x, view.map.y, view.map.scale);
    this.time.time = view.time !== null && this.world.lastMs !== null && view.time < this.world.lastMs ? view.time : null;
    this.restyle();
  }

  /** Writes all words anew, and draws in the colours of the theme. */
  restyle() {
    dress(document.documentElement, { lang: language === 'zh' ? 'zh-CN' : 'en', 'data-theme': this.theme });
    for (const element of document.querySelectorAll('[data-say]')) element.textContent = say(element.dataset.say);
    for (const element of document.querySelectorAll('[data-label]')) dress(element, { 'aria-label': say(element.dataset.label), title: element.classList.contains('icon') ? say(element.dataset.label) : null });
    for (const element of document.querySelectorAll('[data-placeholder]')) element.placeholder = say(element.dataset.placeholder);
    for (const option of byId('speed').options) option.textContent = say('speed_x', option.value);
    refill(byId('city-name'), foreign(this.world.city.city, 40));
    document.title = `${plain(this.world.city.city, 40)} · ${say('product')}`;
    byId('made-by').textContent = say('made_by', this.world.city.program);
    refill(byId('help-keys'), KEYS.map(([key, word]) => [node('dt', {}, key.split('  ').map((one) => node('kbd', {}, one))), node('dd', {}, say(word))]));
    drawLegend(this.map, this.world);
    this.map.restyle(this.theme);
    this.show();
  }

  /** Shows the world as it stands for the view. */
  show() {
    const { world, filters } = this;
    const at = this.time.time;
    const found = lookup(world, at, filters.filter);
    const blind = world.blindAt(at);
    filters.paint(found.counts, found.rows.length, found.known);
    this.rows = found.rows;
    this.list.show(found.rows, this.chosen, world.city.live);
    const held = this.chosen === null ? null : world.incidents.get(this.chosen);
    const said = held && world.at(held, at);
    this.map.show(found.rows, this.chosen, new Set(this.lit ? [this.lit] : said ? said.sources.slice(0, 200) : []), blind);
    this.detail.show(held ? this.chosen : null, at);
    document.body.classList.toggle('chosen', Boolean(held));
    const nothing = byId('nothing');
    nothing.hidden = found.rows.length > 0;
    nothing.textContent = say(found.known ? 'none' : 'none_yet');
    this.time.paint();
    drawSigns(world, at, blind);
    drawFoot(world);
    drawScale(this.map);
    this.pill();
    this.remember();
  }

  /** The map has moved. */
  moved() {
    if (!this.map) return;
    drawScale(this.map);
    this.remember();
  }

  /** Shows it soon, however much news comes at once. */
  soon() {
    if (this.waits) return;
    this.waits = setTimeout(() => { this.waits = 0; this.show(); this.explain(); }, 100);
  }

  /** @param {?string} id */
  choose(id) {
    this.chosen = id;
    this.lit = null;
    this.show();
    const held = id === null ? null : this.world.incidents.get(id);
    const said = held && (this.world.at(held, this.time.time) || held.revisions[0]);
    if (said) this.map.reveal(...this.world.metres(said.lon, said.lat));
    this.list.reveal();
    this.explain();
  }

  /** Shows what is chosen from near, and reads it. */
  open() {
    const held = this.world.incidents.get(this.chosen);
    if (!held) return;
    const said = this.world.at(held, this.time.time) || held.revisions[0];
    this.map.goTo(...this.world.metres(said.lon, said.lat), Math.max(this.map.scale, CLOSE_UP));
    byId('detail-title')?.focus();
  }

  /** Shows a source on the map. @param {string} id */
  see(id) {
    const found = this.world.sources.get(id);
    this.lit = id;
    if (found) this.map.reveal(found.source.x, found.source.y);
    this.show();
  }

  /** Asks a live city why it believes what is chosen. */
  async explain() {
    const held = this.feed && this.world.incidents.get(this.chosen);
    if (!held) return;
    const newest = held.revisions[held.revisions.length - 1].revision;
    if (held.asked === `${newest}/${language}`) return;
    held.asked = `${newest}/${language}`;
    try {
      const account = await this.feed.explain(held.id, language);
      if (!account) return;
      held.text = { ...held.text, [language]: account.text };
      held.told = account.revisions.slice(-MOST_REVISIONS);
      if (this.chosen === held.id) this.show();
    } catch {
      held.asked = '';
    }
  }

  /** How fresh what is shown is. */
  pill() {
    const pill = byId('pill');
    const { state, seconds } = this.feed ? this.feed.freshness() : { state: 'report', seconds: 0 };
    const text = this.feed && this.feed.why && state === 'lost' ? say('refused', plain(this.feed.why, 60)) : say(state, seconds);
    if (pill.textContent !== text) pill.textContent = text;
    pill.className = `pill ${state}`;
    if (`${state} ${language}` !== this.told) byId('pill-said').textContent = text; // once a change, not once a second
    this.told = `${state} ${language}`;
    document.body.classList.toggle('stale', state === 'lost');
  }

  /** Writes the view into the address. */
  remember() {
    if (!this.filters || this.remembering) return;
    this.remembering = setTimeout(() => {
      this.remembering = 0;
      const { map, filters, chosen, theme } = this;
      this.hash = toHash({ filter: filters.filter, chosen, theme, language, time: this.time.time, map });
      history.replaceState(null, '', `#${this.hash}`);
    }, HASH_AFTER_MS);
  }

  turnLanguage() {
    language = language === 'zh' ? 'en' : 'zh';
    this.restyle();
    this.explain();
  }

  turnTheme() {
    this.theme = this.theme === 'dark' ? 'light' : 'dark';
    this.restyle();
  }

  listen() {
    const click = (id, act) => byId(id).addEventListener('click', act);
    click('language', () => this.turnLanguage());
    click('theme', () => this.turnTheme());
    click('help', () => byId('help-box').showModal());
    click('zoom-in', () => this.map.zoom(1.5));
    click('zoom-out', () => this.map.zoom(1 / 1.5));
    click('fit', () => this.map.fit());
    document.addEventListener('keydown', (event) => this.key(event));
    window.addEventListener('beforeprint', () => { this.list.all = this.rows.length <= 300; this.list.paint(); });
    window.addEventListener('afterprint', () => { this.list.all = false; this.list.paint(); });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || byId('help-box').open) return;
    const typing = event.target.matches('input:not([type=range]), textarea, select');
    if (event.key === 'Escape') {
      if (typing) { event.target.blur(); byId('list').focus(); } else this.choose(null);
      return;
    }
    if (typing) { if (event.key === 'Enter') byId('list').focus(); return; }
    const onButton = event.target.matches('button, summary, a, input');
    const acts = {
      j: () => this.list.step(1), k: () => this.list.step(-1), '/': () => byId('search').focus(), '?': () => byId('help-box').showModal(),
      l: () => this.turnLanguage(), t: () => this.turnTheme(), ',': () => this.time.step(-STEP_MS), '.': () => this.time.step(STEP_MS), 0: () => this.map.fit(),
      Enter: onButton ? null : () => this.open(), ' ': onButton ? null : () => this.time.toggle(),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }
}

/** Begins with the document in the page, or with what the server has. */
async function begin() {
  const data = JSON.parse(byId('data').textContent);
  try {
    const city = data || await (await fetch('v1/city')).json();
    if (!city.ground) throw new Error(city.message || '');
    window.page = new Page(city);
  } catch (wrong) {
    const text = wrong.message ? say('refused', plain(wrong.message, 120)) : say('no_data');
    refill(byId('banners'), node('p', { class: 'banner' }, text));
    if (!data) setTimeout(() => location.reload(), 5000);
  }
}

begin();
