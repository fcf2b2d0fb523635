/** The map: a canvas in metres that pans and zooms by mouse, wheel, touch and keyboard, and needs no graphics card. */
'use strict';

/** The still layers are drawn this much larger than the window, so that a pan has something to show, per side. */
const MARGIN = 0.3;
const CLOSEST = 12;
const NEAR_PX = 18;
const SETTLE_MS = 90;

class CityMap {
  /**
   * @param {HTMLCanvasElement} canvas @param {World} world
   * @param {{choose: function(?string), moved: function()}} heard what the map tells of
   */
  constructor(canvas, world, heard) {
    this.canvas = canvas;
    this.ink = canvas.getContext('2d', { alpha: false });
    this.still = document.createElement('canvas');
    this.world = world;
    this.heard = heard;
    this.layers = { incidents: true, cameras: true, views: true, signals: true, sensors: true, names: true };
    this.theme = 'dark';
    this.x = this.y = 0;
    this.scale = 1;
    this.drawn = null;
    this.rows = [];
    this.at = new Float64Array(0);
    this.marks = new Map();
    this.chosen = null;
    this.lit = new Set();
    this.blind = new Map();
    this.waiting = false;
    this.frames = 0;
    new Hands(this).listen(canvas);
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
    this.resize();
    this.fit();
  }

  get colours() {
    return MAP_COLOURS[this.theme];
  }

  resize() {
    const box = this.canvas.parentElement.getBoundingClientRect();
    this.ratio = Math.min(window.devicePixelRatio || 1, 2);
    this.width = Math.max(1, Math.round(box.width));
    this.height = Math.max(1, Math.round(box.height));
    this.canvas.width = this.width * this.ratio;
    this.canvas.height = this.height * this.ratio;
    this.drawn = null;
    this.draw();
  }

  /** Shows the whole city. */
  fit() {
    const [west, south, east, north] = this.world.city.ground.box;
    this.x = (west + east) / 2;
    this.y = (south + north) / 2;
    this.scale = Math.min(this.width / Math.max(east - west, 1), this.height / Math.max(north - south, 1), CLOSEST);
    this.farthest = Math.min(this.scale / 4, 1);
    this.changed();
  }

  /** Goes to a place, no farther than what shows it well. @param {number} x @param {number} y @param {number} scale */
  goTo(x, y, scale = this.scale) {
    [this.x, this.y, this.scale] = [x, y, Math.min(Math.max(scale, this.farthest), CLOSEST)];
    this.changed();
  }

  /** Moves so that a place is well within the window. @param {number} x @param {number} y */
  reveal(x, y) {
    const [px, py] = this.place(x, y);
    const inside = px > 60 && py > 60 && px < this.width - 60 && py < this.height - 60;
    if (!inside) this.goTo(x, y);
    else this.draw();
  }

  /** Where a place is in the window. @param {number} x @param {number} y @returns {[number, number]} */
  place(x, y) {
    return [this.width / 2 + (x - this.x) * this.scale, this.height / 2 - (y - this.y) * this.scale];
  }

  zoom(by, px = this.width / 2, py = this.height / 2) {
    const before = this.scale;
    this.scale = Math.min(Math.max(this.scale * by, this.farthest), CLOSEST);
    const ratio = 1 / before - 1 / this.scale;
    this.x += (px - this.width / 2) * ratio;
    this.y -= (py - this.height / 2) * ratio;
    this.changed();
  }

  pan(px, py) {
    this.x -= px / this.scale;
    this.y += py / this.scale;
    this.changed();
  }

  changed() {
    this.draw();
    this.heard.moved();
  }

  /** What is to be shown: rows of the list, what is chosen, blind sources. */
  show(rows, chosen, lit, blind) {
    const darkened = [...blind.keys()].sort().join() !== [...this.blind.keys()].sort().join();
    this.rows = rows.slice().reverse();
    this.chosen = chosen;
    this.lit = lit;
    this.blind = blind;
    if (this.at.length < 2 * rows.length) this.at = new Float64Array(2 * rows.length + 200);
    for (let i = 0; i < this.rows.length; i++) {
      const said = this.rows[i].said;
      [this.at[2 * i], this.at[2 * i + 1]] = this.world.metres(said.lon, said.lat);
    }
    if (darkened) this.drawn = null;
    this.draw();
  }

  /** Draws all of it anew, as after a change of theme or language. */
  restyle(theme) {
    this.theme = theme;
    this.marks.clear();
    this.drawn = null;
    this.draw();
  }

  draw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.paint();
    });
  }

  paint() {
    const ink = this.ink;
    ink.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    ink.fillStyle = this.colours.ground;
    ink.fillRect(0, 0, this.width, this.height);
    this.paintStill(ink);
    const chosen = this.rows.find((row) => row.id === this.chosen);
    if (chosen) drawExtent(ink, this, chosen.said);
    for (const id of this.lit) drawLit(ink, this, id);
    if (this.layers.incidents) this.paintMarks(ink);
    this.paintMissed(ink);
    this.frames += 1;
  }

  paintStill(ink) {
    const last = this.drawn;
    const off = last && Math.max(Math.abs(this.x - last.x) * this.scale / this.width, Math.abs(this.y - last.y) * this.scale / this.height);
    if (!last || off > MARGIN || last.scale !== this.scale) {
      if (!last || off > MARGIN || Date.now() - (this.scaledAt || 0) > SETTLE_MS) this.redrawStill();
      else {
        clearTimeout(this.settling);
        this.settling = setTimeout(() => this.draw(), SETTLE_MS + 20);
      }
      if (last && last.scale !== this.scale) this.scaledAt = Date.now();
    }
    const { x, y, scale, width, height } = this.drawn;
    const by = this.scale / scale;
    const [px, py] = this.place(x, y);
    ink.drawImage(this.still, px - (width * by) / 2, py - (height * by) / 2, width * by, height * by);
  }

  redrawStill() {
    const width = this.width * (1 + 2 * MARGIN), height = this.height * (1 + 2 * MARGIN);
    const { still, ratio, scale } = this;
    still.width = width * ratio;
    still.height = height * ratio;
    const ink = still.getContext('2d', { alpha: false });
    ink.scale(ratio, ratio);
    ink.fillStyle = this.colours.ground;
    ink.fillRect(0, 0, width, height);
    ink.save();
    ink.translate(width / 2, height / 2);
    ink.scale(scale, scale);
    ink.translate(-this.x, this.y);
    drawGround(ink, this.world, scale, this.colours, this.layers, this.blind);
    ink.restore();
    const place = (x, y) => [width / 2 + (x - this.x) * scale, height / 2 - (y - this.y) * scale];
    drawSources(ink, this.world, scale, this.colours, this.layers, this.blind, place);
    this.drawn = { x: this.x, y: this.y, scale, width, height };
  }

  paintMarks(ink) {
    const at = this.at, half = 24;
    const left = this.width / 2 - this.x * this.scale, top = this.height / 2 + this.y * this.scale;
    let chosen = -1;
    for (let i = 0; i < this.rows.length; i++) {
      const px = left + at[2 * i] * this.scale, py = top - at[2 * i + 1] * this.scale;
      if (px < -half || py < -half || px > this.width + half || py > this.height + half) continue;
      if (this.rows[i].id === this.chosen) { chosen = i; continue; }
      ink.drawImage(this.mark(this.rows[i].said, false), px - half, py - half, 2 * half, 2 * half);
    }
    if (chosen >= 0) {
      const px = left + at[2 * chosen] * this.scale, py = top - at[2 * chosen + 1] * this.scale;
      ink.drawImage(this.mark(this.rows[chosen].said, true), px - half, py - half, 2 * half, 2 * half);
    }
  }

  /** A mark as a small picture, drawn once. */
  mark(said, chosen) {
    const level = said.level || 'none';
    const key = `${level}/${said.state}/${said.type}/${chosen}`;
    let picture = this.marks.get(key);
    if (!picture) {
      picture = document.createElement('canvas');
      picture.width = picture.height = 48 * this.ratio;
      const ink = picture.getContext('2d');
      ink.scale(this.ratio, this.ratio);
      ink.translate(24, 24);
      drawMark(ink, level, said.state, markLetter(said.type), this.colours, chosen);
      this.marks.set(key, picture);
    }
    return picture;
  }

  /** What really happened and was missed, where the truth is known. */
  paintMissed(ink) {
    for (const missed of this.world.city.truth ? this.world.city.truth.missed : []) {
      const [x, y] = this.place(...this.world.metres(missed.lon, missed.lat));
      crossOut(ink, x, y, 7, this.colours.edge);
    }
  }

  /** The incident under a point of the window. @returns {?string} */
  under(px, py) {
    let best = null, nearest = NEAR_PX;
    for (let i = this.rows.length - 1; i >= 0; i--) {
      const [x, y] = this.place(this.at[2 * i], this.at[2 * i + 1]);
      const gap = Math.hypot(x - px, y - py);
      if (gap < nearest) [best, nearest] = [this.rows[i].id, gap];
    }
    return best;
  }
}
