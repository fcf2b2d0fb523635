/** The live feed: the watch as server-sent events, with a picture of how fresh it is; it reads and never writes. */
'use strict';

const LATE_MS = 5000;
const AGAIN_MS = 2000;
const EVENTS = ['snapshot', 'change', 'gone', 'heartbeat', 'refused'];

class Feed {
  /**
   * @param {World} world @param {{changed: function(), status: function()}} heard
   * `changed`: incidents or signs of life are new; `status`: the connection is
   */
  constructor(world, heard) {
    this.world = world;
    this.heard = heard;
    this.state = 'joining';
    this.heardAt = 0;
    this.beatAt = 0;
    this.why = '';
    this.pieces = [];
    setInterval(() => heard.status(), 1000);
    this.open();
  }

  /** Opens the watch anew, at its beginning: what the snapshot does not hold is gone. */
  open() {
    this.pieces = [];
    this.source = new EventSource('v1/incidents:watch');
    for (const name of EVENTS) {
      this.source.addEventListener(name, (event) => {
        this.heardAt = Date.now();
        this[name](JSON.parse(event.data));
      });
    }
    this.source.onopen = () => {
      [this.state, this.why, this.heardAt] = ['live', '', Date.now()];
      this.pieces = []; // of a snapshot that broke off: it begins anew
      this.heard.status();
    };
    this.source.onerror = () => this.broken();
  }

  /** The browser comes back by itself unless the server said no; then the page begins anew. */
  broken() {
    this.state = 'lost';
    this.heard.status();
    if (this.source.readyState === EventSource.CLOSED) {
      clearTimeout(this.again);
      this.again = setTimeout(() => this.open(), AGAIN_MS);
    }
  }

  /** A piece of the snapshot; with the last one it takes the place of all that was known. */
  snapshot(said) {
    this.pieces.push(...said.incidents);
    if (!said.complete) return;
    if (this.feedId !== undefined && this.feedId !== said.feed_id) this.world.incidents.clear();
    this.feedId = said.feed_id;
    const now = new Set(this.pieces.map((incident) => incident.incident_id));
    for (const id of [...this.world.incidents.keys()]) if (!now.has(id)) this.world.incidents.delete(id);
    for (const incident of this.pieces) this.take(incident);
    this.pieces = [];
    this.heard.changed();
  }

  change(said) {
    this.take(said.incident);
    this.heard.changed();
  }

  gone(said) {
    this.world.incidents.delete(said.incident.incident_id);
    this.heard.changed();
  }

  take(incident) {
    this.world.take(incident);
    if (this.world.firstMs !== null) this.see(incident.updated_ms);
  }

  /** Time goes on to here; it begins with the first sign of life, since of before only the newest is known. @param {number} ms */
  see(ms) {
    const { world } = this;
    if (world.firstMs === null) world.firstMs = ms;
    if (world.lastMs === null || ms > world.lastMs) world.lastMs = ms;
  }

  heartbeat(said) {
    const beat = said.heartbeat;
    if (!beat) return;
    const { world } = this;
    if (beat.log_time_ms !== this.logTime) this.beatAt = Date.now();
    this.logTime = beat.log_time_ms;
    this.see(beat.log_time_ms);
    world.beats.push({ at_ms: beat.log_time_ms, live: beat.sources_live, silent: beat.sources_silent });
    if (world.beats.length > 5000) world.beats.splice(0, 1000);
    world.readiness = beat.readiness;
    const known = world.blindAt(null);
    for (const area of beat.blind_areas) {
      const spell = [...world.blind].reverse().find((one) => one.source_id === area.source_id && one.open);
      if (spell) spell.until_ms = beat.log_time_ms;
      else world.blind.push({ source_id: area.source_id, since_ms: area.silent_since_ms, known_ms: beat.log_time_ms, until_ms: beat.log_time_ms, open: true });
    }
    const now = new Set(beat.blind_areas.map((area) => area.source_id));
    for (const spell of world.blind) if (spell.open && !now.has(spell.source_id)) spell.open = false;
    if (world.blind.length > 5000) world.blind = world.blind.filter((spell) => spell.open);
    this.heard.changed(known.size !== now.size);
  }

  /** The server ends the watch and says why; another one begins with a snapshot. */
  refused(said) {
    this.source.close();
    this.state = 'lost';
    this.why = said.message;
    this.heard.status();
    clearTimeout(this.again);
    this.again = setTimeout(() => this.open(), AGAIN_MS);
  }

  /** live, late, lost or joining, and for how many seconds nothing new was heard. */
  freshness() {
    if (this.state !== 'live') return { state: this.state, seconds: 0 };
    const since = Date.now() - Math.min(this.heardAt, this.beatAt || this.heardAt);
    return since > LATE_MS ? { state: 'late', seconds: Math.round(since / 1000) } : { state: 'live', seconds: 0 };
  }

  /**
   * Asks why an incident is believed, as the server tells it now.
   * @param {string} id @param {string} language
   */
  async explain(id, language) {
    const answer = await fetch(`v1/incidents/${encodeURIComponent(id)}:explain?language=${language}`);
    return answer.ok ? answer.json() : null;
  }
}
