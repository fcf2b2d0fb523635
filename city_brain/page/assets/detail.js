/** The detail of one incident: what it is, why it is believed, what spoke against it, how it moved, what was read. */
'use strict';

class Detail {
  /**
   * @param {World} world
   * @param {{see: function(string), time: function(?number), close: function(), choose: function(string)}} heard
   */
  constructor(world, heard) {
    this.world = world;
    this.heard = heard;
    this.box = byId('detail');
    this.key = '';
  }

  /** @param {?string} id @param {?number} time */
  show(id, time) {
    const held = id === null ? null : this.world.incidents.get(id);
    const known = held && this.world.at(held, time);
    const said = held ? known || held.revisions[0] : null;
    const key = said ? `${id}/${said.revision}/${held.revisions.length}/${time}/${language}/${held.text[language].length}/${(held.told || []).length}` : `/${language}`;
    if (key === this.key) return;
    const same = this.shown === id;
    const scrolled = this.box.scrollTop;
    const open = byId('full-text')?.open;
    this.key = key;
    this.shown = id;
    this.box.classList.toggle('empty', !said);
    refill(this.box, said ? this.parts(held, said, time, Boolean(known)) : node('p', { class: 'none' }, say('no_selection')));
    if (same && open && byId('full-text')) byId('full-text').open = true;
    this.box.scrollTop = same ? scrolled : 0;
  }

  parts(held, said, time, known) {
    const world = this.world;
    const against = elsewhen(world, held, said);
    const curves = (own(world.city.curves, held.id) || []).filter((curve) => curve.values.length > 1);
    return [
      this.head(held, said),
      time !== null && (!known || said !== held.revisions[held.revisions.length - 1]) && node('p', { class: 'notice' }, say(known ? 'earlier' : 'not_yet')),
      this.facts(said),
      section('why', say('why'), evidenceTable(world, said, this.heard.see)),
      against.length > 0 && section('elsewhen', say('elsewhen'), node('ul', { class: 'plain' }, against.map(({ item, revision }) => node('li', {},
        this.timeButton(revision), node('span', { class: 'figure' }, signed(item.weight)), foreign(world.phrase(item), 60), figures(item) && node('span', { class: 'soft' }, foreign(figures(item), 80)))))),
      section('believed', say('believed'), beliefChart(world, storyOf(held), said), this.timeline(held, said, time)),
      curves.length > 0 && section('curves', say('curves'), curves.map((curve) => node('figure', {},
        node('figcaption', {}, node('span', {}, curveName(curve), curve.unit && `, ${curve.unit}`), world.sources.has(curve.of) ? sourceButton(world, curve.of, this.heard.see) : foreign(curve.of, 40)),
        curveChart(curve, said, time)))),
      !world.city.live && curves.length === 0 && section('curves', say('curves'), node('p', { class: 'soft' }, say('no_curves'))),
      section('sources', say('sources'), sourceList(world, said.sources, this.heard.see, 24)),
      held.text[language] && this.fullText(held.text[language]),
    ];
  }

  head(held, said) {
    const level = said.level || 'none';
    return node('header', { class: 'detail-head' },
      markImage(level, said.state, markLetter(said.type)),
      node('div', { class: 'detail-title' },
        node('h2', { id: 'detail-title', tabindex: -1 }, foreign(this.world.headline(said), 140)),
        node('p', { class: 'badges' },
          node('span', { class: 'number' }, plain(said.number, 16)), node('span', { class: `badge state-${said.state}` }, say(said.state)),
          node('span', { class: `badge level-${level}` }, said.level ? `${say('level')} ${said.level}` : say('no_level')),
          said.status !== 'actual' && node('span', { class: 'badge' }, say('status_' + said.status)),
          this.inTruth(held))),
      node('div', { class: 'believed' }, node('b', {}, percent(said.confidence)), node('span', {}, say('confidence'))),
      node('button', { type: 'button', class: 'icon close', 'aria-label': say('close'), title: `${say('close')} (Esc)`, onclick: () => this.heard.close() }, '✕'));
  }

  inTruth(held) {
    if (!this.world.city.truth || !held.revisions.some((revision) => revision.detected_ms !== null)) return null;
    return node('span', { class: 'badge' }, say('truth'), ': ', say(this.world.falsely.has(held.id) ? 'truth_false' : 'truth_real'));
  }

  facts(said) {
    const { world } = this;
    const place = said.place;
    const kind = own(world.city.types, said.type);
    const junction = place.intersection && world.places.get(place.intersection);
    const where = place.names[language] || (junction && inLanguage(junction)) || Object.values(place.names)[0] || place.road || place.intersection;
    const facts = [
      [say('place'), where && foreign(where, 80), node('span', { class: 'soft' }, [place.intersection, place.road, ...place.area_codes].filter((id) => id && id !== where).map((id) => [' ', foreign(id, 40)]))],
      [say('position'), `${said.lat.toFixed(5)}, ${said.lon.toFixed(5)} ± ${short(said.position_error_m)} m`, said.radius_m && `, ${say('radius', short(said.radius_m))}`],
      [say('began'), instant(said.first_seen_ms)],
      [say('announced'), said.detected_ms === null ? say('never_announced') : [instant(said.detected_ms), node('span', { class: 'soft' }, ' ', say('after_s', Math.round((said.detected_ms - said.first_seen_ms) / 1000)))]],
      [say('over'), said.ended_ms === null ? (said.state === 'withdrawn' ? '–' : say('still_on')) : instant(said.ended_ms)],
      [say('updated'), instant(said.updated_ms)],
      said.reason && [say('reason'), this.reason(said.reason)],
      kind && [say('rule'), node('span', { class: 'soft' }, foreign(said.type, 40), ', ', say('thresholds', kind.version, signed(kind.suspect), signed(kind.open), signed(kind.close)))],
    ];
    return node('dl', { class: 'facts' }, facts.filter(Boolean).map(([name, ...value]) => [node('dt', {}, name), node('dd', {}, value)]));
  }

  reason(reason) {
    const [word, id] = reason.split(':');
    const other = id && this.world.incidents.get(id);
    const number = other ? other.revisions[0].number : plain(id || '', 12);
    const text = own(WORDS[language], word) ? say(word, number) : plain(reason, 60);
    return other ? node('button', { type: 'button', class: 'link', onclick: () => this.heard.choose(id) }, text) : text;
  }

  timeButton(revision) {
    return node('button', { type: 'button', class: 'link number', title: say('go_there'), onclick: () => this.heard.time(revision.updated_ms) }, clock(revision.updated_ms));
  }

  timeline(held, said, time) {
    const all = storyOf(held);
    return [
      held.total > all.length && node('p', { class: 'soft' }, say('revisions_of', all.length, held.total)),
      node('ol', { class: 'timeline' }, all.slice().reverse().map((revision) => node('li', { class: time !== null && revision.updated_ms > time ? 'later' : null, 'aria-current': revision.revision === said.revision ? 'step' : null },
        this.timeButton(revision), node('span', { class: `state-word state-${revision.state}` }, say(revision.state)),
        node('span', { class: 'soft' }, revision.level ? `${say('level')} ${revision.level}` : '–'), node('span', { class: 'figure' }, revision.confidence.toFixed(3)), bar(revision.confidence)))),
    ];
  }

  fullText(text) {
    const copy = node('button', { type: 'button', class: 'small', onclick: () => this.copy(copy, text) }, say('copy'));
    return node('details', { id: 'full-text' }, node('summary', {}, say('text')), copy, node('pre', { tabindex: 0 }, plain2(text)));
  }

  copy(button, text) {
    if (!navigator.clipboard) return;
    navigator.clipboard.writeText(text).then(() => { button.textContent = say('copied'); }, () => {});
  }
}

/** The revisions of an incident, as the server tells them where that is more than the page has seen. @param {Held} held */
function storyOf(held) {
  return held.told && held.told.length > held.revisions.length ? held.told : held.revisions;
}

/** Text of several lines, as the command line printed it. @param {string} text */
function plain2(text) {
  return text.split('\n').map((line) => plain(line, 1000)).join('\n');
}

/** A part of the detail under a heading of its own. */
function section(id, title, ...children) {
  return node('section', { 'aria-labelledby': `h-${id}` }, node('h3', { id: `h-${id}` }, title), children);
}
