/** Hands on the map: mouse, wheel, fingers and keys. */
'use strict';

const STEP_PX = 80;
/** A press that moves less than this is a click. */
const STILL_PX = 5;

class Hands {
  /** @param {CityMap} map */
  constructor(map) {
    this.map = map;
    /** @type {Map<number, {x: number, y: number}>} */
    this.down = new Map();
    this.moved = 0;
  }

  /** @param {HTMLCanvasElement} canvas */
  listen(canvas) {
    canvas.addEventListener('pointerdown', (event) => this.press(canvas, event));
    canvas.addEventListener('pointermove', (event) => this.move(canvas, event));
    canvas.addEventListener('pointerup', (event) => this.lift(event, true));
    canvas.addEventListener('pointercancel', (event) => this.lift(event, false));
    canvas.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
    canvas.addEventListener('keydown', (event) => this.key(event));
  }

  press(canvas, event) {
    canvas.setPointerCapture(event.pointerId);
    this.down.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    if (this.down.size === 1) this.moved = 0;
  }

  move(canvas, event) {
    const last = this.down.get(event.pointerId);
    if (!last) {
      canvas.classList.toggle('over', this.map.under(event.offsetX, event.offsetY) !== null);
      return;
    }
    const dx = event.offsetX - last.x, dy = event.offsetY - last.y;
    const before = this.spread();
    last.x = event.offsetX;
    last.y = event.offsetY;
    this.moved += Math.hypot(dx, dy);
    if (this.down.size === 1) this.map.pan(dx, dy);
    else if (this.down.size === 2) {
      const after = this.spread();
      this.map.pan(dx / 2, dy / 2);
      if (before.gap > 0) this.map.zoom(after.gap / before.gap, after.x, after.y);
    }
  }

  /** The middle of two fingers, and how far apart they are. */
  spread() {
    const [a, b] = [...this.down.values()];
    if (!b) return { gap: 0, x: 0, y: 0 };
    return { gap: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  }

  lift(event, meant) {
    if (!this.down.delete(event.pointerId) || !meant || this.down.size || this.moved > STILL_PX) return;
    this.map.heard.choose(this.map.under(event.offsetX, event.offsetY));
  }

  wheel(event) {
    event.preventDefault();
    this.map.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.03 : 0.0015)), event.offsetX, event.offsetY);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = { ArrowLeft: [STEP_PX, 0], ArrowRight: [-STEP_PX, 0], ArrowUp: [0, STEP_PX], ArrowDown: [0, -STEP_PX] };
    if (moves[event.key]) this.map.pan(...moves[event.key]);
    else if (event.key === '+' || event.key === '=') this.map.zoom(1.4);
    else if (event.key === '-') this.map.zoom(1 / 1.4);
    else if (event.key === '0') this.map.fit();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
