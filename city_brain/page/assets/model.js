/** The world that the page shows: incidents in their revisions, what was known at a time, and what a filter lets through. */
'use strict';

const LEVELS = ['I', 'II', 'III', 'IV'];
const STATES = ['active', 'suspected', 'ended', 'withdrawn'];
/** Of incidents and of their revisions that a page remembers that is fed for days. */
const MOST_INCIDENTS = 2000;
const MOST_REVISIONS = 40;
/** Confidence has three decimals: 0 and 1 stand for this much beside them. */
const SUREST = 0.0005;

/**
 * An incident with all that is known of it, oldest revision first.
 * @typedef {{id: string, revisions: Array<Object>, total: number, text: {zh: string, en: string}}} Held
 */

class World {
  /** @param {Object} city the document that Python made (`city_brain.page.document`) */
  constructor(city) {
    this.city = city;
    this.frame = city.ground.frame;
    /** @type {Map<string, Held>} */
    this.incidents = new Map();
    this.blind = city.blind.slice();
    this.beats = city.beats.slice();
    this.readiness = [];
    this.firstMs = city.first_ms;
    this.lastMs = city.last_ms;
    this.forgotten = 0;
    this.sources = new Map();
    for (const kind of ['cameras', 'signals', 'sensors']) {
      for (const source of city.ground[kind]) this.sources.set(source.id, { kind, source });
    }
    this.places = new Map(city.ground.junctions.map((junction) => [junction.id, junction]));
    for (const told of city.incidents) {
      this.incidents.set(told.revisions[0].incident_id, { id: told.revisions[0].incident_id, ...told });
    }
    this.falsely = new Set(city.truth ? city.truth.false : []);
  }

  /** Takes a revision; whether it is news. @param {Object} revision @returns {boolean} */
  take(revision) {
    const id = revision.incident_id;
    const held = this.incidents.get(id);
    if (!held) {
      this.incidents.set(id, { id, revisions: [revision], total: revision.revision, text: { zh: '', en: '' } });
      this.forget();
      return true;
    }
    const newest = held.revisions[held.revisions.length - 1];
    if (revision.revision <= newest.revision && revision.updated_ms <= newest.updated_ms) return false;
    held.revisions.push(revision);
    held.total = Math.max(held.total, revision.revision);
    if (held.revisions.length > MOST_REVISIONS) held.revisions.splice(1, 1);
    return true;
  }

  /** Lets go what is over for longest, where there are too many. */
  forget() {
    while (this.incidents.size > MOST_INCIDENTS) {
      let oldest = null;
      for (const held of this.incidents.values()) {
        const said = held.revisions[held.revisions.length - 1];
        const rank = (said.state === 'ended' || said.state === 'withdrawn' ? 0 : 1e15) + said.updated_ms;
        if (oldest === null || rank < oldest.rank) oldest = { id: held.id, rank };
      }
      this.incidents.delete(oldest.id);
      this.forgotten += 1;
    }
  }

  /** The revision that was known at a time, the newest where that is null. @param {Held} held @param {?number} time */
  at(held, time) {
    const all = held.revisions;
    if (time === null) return all[all.length - 1];
    for (let i = all.length - 1; i >= 0; i--) if (all[i].updated_ms <= time) return all[i];
    return null;
  }

  /** Ids of the sources that were known to be blind at a time. @param {?number} time @returns {Map<string, Object>} */
  blindAt(time) {
    const at = time === null ? this.lastMs : time;
    const found = new Map();
    for (const spell of this.blind) if (spell.known_ms <= at && at <= spell.until_ms) found.set(spell.source_id, spell);
    return found;
  }

  /** Who spoke at a time. @param {?number} time @returns {?{live: number, silent: number}} */
  beatAt(time) {
    let last = null;
    for (const beat of this.beats) if (time === null || beat.at_ms <= time) last = beat;
    return last;
  }

  /** Degrees to metres of the map. @param {number} lon @param {number} lat @returns {[number, number]} */
  metres(lon, lat) {
    return [(lon - this.frame.lon0) * this.frame.per_lon, (lat - this.frame.lat0) * this.frame.per_lat];
  }

  /** A type in words. @param {string} type @returns {string} */
  typeName(type) {
    const kind = own(this.city.types, type);
    return named(type) || (kind ? inLanguage(kind.label) : type.replaceAll('_', ' '));
  }

  /** The headline, as `city_brain.incidents.explain` fills it in. @param {Object} said @param {string} of @returns {string} */
  headline(said, of = language) {
    const kind = own(this.city.types, said.type);
    if (!kind) return this.typeName(said.type);
    const place = said.place;
    const names = [place.names[of], ...Object.values(place.names), place.intersection, place.road];
    const where = names.find(Boolean) || `${said.lon.toFixed(5)}, ${said.lat.toFixed(5)}`;
    const words = { place: where, road: place.road || '-', intersection: place.intersection || '-', number: said.number };
    return kind.headline[of].replace(/\{(\w+)\}/g, (whole, word) => own(words, word) ?? whole);
  }

  /** What a piece of evidence says in words. @param {Object} item @returns {string} */
  phrase(item) {
    const words = own(own(this.city.types, item.rule)?.phrases, item.what);
    return words ? inLanguage(words) : item.what.replaceAll('_', ' ');
  }

  /**
   * The sum behind a confidence, as `city_brain.incidents.explain.sum_of` has it: its parts add up as printed.
   * @param {Object} said @returns {?{prior: number, rest: number, calibration: number, total: number}}
   */
  sum(said) {
    const kind = own(this.city.types, said.type);
    if (!kind) return null;
    const hundredths = (value) => Math.round(100 * value);
    const weights = said.evidence.reduce((sum, item) => sum + hundredths(item.weight), 0);
    const sure = Math.min(Math.max(said.confidence, SUREST), 1 - SUREST);
    let weighed = hundredths((Math.log(sure / (1 - sure)) - kind.shift) / kind.slope);
    const prior = hundredths(kind.prior);
    const known = prior + weights;
    if (Math.abs(confidenceOf(known / 100, kind) - said.confidence) < 1e-9) weighed = known;
    const total = hundredths(calibrated(weighed / 100, kind));
    return { prior: prior / 100, rest: (weighed - known) / 100, calibration: (total - weighed) / 100, total: total / 100 };
  }
}

/** Log-odds on the scale of the confidence. @param {number} logOdds @param {Object} kind @returns {number} */
function calibrated(logOdds, kind) {
  return kind.slope * logOdds + kind.shift;
}

/** The confidence that log-odds of a type stand for. @param {number} logOdds @param {Object} kind @returns {number} */
function confidenceOf(logOdds, kind) {
  const share = 1 / (1 + Math.exp(-calibrated(logOdds, kind)));
  return Math.round(1000 * Math.min(Math.max(share, 0.001), 0.999)) / 1000;
}

/** A filter that lets everything through. @returns {Object} */
function openFilter() {
  return { types: new Set(), states: new Set(), levels: new Set(), text: '', confidence: 0 };
}

/**
 * What there is at a time: of each incident its revision, those that a filter lets through in the order of the list, and
 * how many of each type, state and level there would be were that part of the filter open.
 * @param {World} world @param {?number} time @param {Object} filter
 */
function lookup(world, time, filter) {
  const counts = { types: new Map(), states: new Map(), levels: new Map() };
  const rows = [];
  let known = 0;
  const words = filter.text.trim().toLowerCase();
  for (const held of world.incidents.values()) {
    const said = world.at(held, time);
    if (!said) continue;
    known += 1;
    if (said.confidence < filter.confidence || (words && !searched(world, said).includes(words))) continue;
    const level = said.level || 'none';
    const type = !filter.types.size || filter.types.has(said.type);
    const state = !filter.states.size || filter.states.has(said.state);
    const grave = !filter.levels.size || filter.levels.has(level);
    if (state && grave) counts.types.set(said.type, (counts.types.get(said.type) || 0) + 1);
    if (type && grave) counts.states.set(said.state, (counts.states.get(said.state) || 0) + 1);
    if (type && state) counts.levels.set(level, (counts.levels.get(level) || 0) + 1);
    if (type && state && grave) rows.push({ id: held.id, said, rank: rank(said) });
  }
  rows.sort((a, b) => a.rank - b.rank || b.said.updated_ms - a.said.updated_ms || (a.id < b.id ? -1 : 1));
  return { rows, counts, known };
}

/** What goes on stands first, the gravest before all. @param {Object} said @returns {number} */
function rank(said) {
  const level = said.level ? LEVELS.indexOf(said.level) : LEVELS.length;
  return STATES.indexOf(said.state) * 10 + level;
}

/** The words in which a search finds an incident. @param {World} world @param {Object} said @returns {string} */
function searched(world, said) {
  const place = said.place;
  const parts = [said.number, said.incident_id, said.type, world.headline(said, 'zh'), world.headline(said, 'en')];
  parts.push(...Object.values(place.names), place.intersection, place.road, ...place.area_codes, ...said.sources);
  return parts.filter(Boolean).join('\n').toLowerCase();
}
