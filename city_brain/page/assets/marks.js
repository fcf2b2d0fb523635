/** Marks of incidents: the shape says the level, the letter the type, the fill the state, so colour is never alone. */
'use strict';

const LEVEL_COLOURS = { I: '#ff6157', II: '#ffa03d', III: '#f6d743', IV: '#6db3ff', none: '#a9b7c6' };
const MARK_INK = '#10151b';
/** Half the size of a mark by level, CSS pixels. */
const MARK_SIZES = { I: 15, II: 14, III: 13, IV: 11, none: 9 };

/** Corners of a shape about (0, 0) in units of its size, by level; IV is a circle. */
const MARK_CORNERS = {
  I: Array.from({ length: 8 }, (_, k) => [Math.cos((k + 0.5) * Math.PI / 4), Math.sin((k + 0.5) * Math.PI / 4)]),
  II: [[0, -1.15], [1.1, 0.82], [-1.1, 0.82]],
  III: [[0, -1.12], [1.12, 0], [0, 1.12], [-1.12, 0]],
  none: [[-0.8, -0.8], [0.8, -0.8], [0.8, 0.8], [-0.8, 0.8]],
};

/** The letter of a type. @param {string} type @returns {string} */
function markLetter(type) {
  return named('mark_' + type) || plain(type, 1).replace('…', '').toUpperCase() || '?';
}

/** How a state is drawn. @param {string} state */
function markStyle(state) {
  return {
    filled: state === 'active' || state === 'ended',
    dashed: state === 'suspected',
    faint: state === 'ended',
    crossed: state === 'withdrawn',
  };
}

/** The outline of a level's shape. @param {CanvasRenderingContext2D} ink @param {string} level @param {number} size */
function outlineMark(ink, level, size) {
  ink.beginPath();
  const corners = MARK_CORNERS[level];
  if (!corners) ink.arc(0, 0, size, 0, 2 * Math.PI);
  else corners.forEach(([x, y], k) => (k ? ink.lineTo(x * size, y * size) : ink.moveTo(x * size, y * size)));
  ink.closePath();
}

/**
 * Draws a mark about (0, 0).
 * @param {CanvasRenderingContext2D} ink @param {string} level @param {string} state @param {string} letter
 * @param {{ground: string, edge: string}} colours @param {boolean} chosen
 */
function drawMark(ink, level, state, letter, colours, chosen) {
  const size = MARK_SIZES[level];
  const colour = LEVEL_COLOURS[level];
  const style = markStyle(state);
  ink.lineJoin = 'round';
  if (chosen) {
    ink.strokeStyle = colours.edge;
    ink.lineWidth = 2;
    ink.beginPath();
    ink.arc(0, 0, size + 8, 0, 2 * Math.PI);
    ink.stroke();
  }
  outlineMark(ink, level, size);
  ink.strokeStyle = colours.ground;
  ink.lineWidth = 5;
  ink.stroke();
  ink.globalAlpha = style.faint ? 0.4 : 1;
  ink.fillStyle = style.filled ? colour : colours.ground;
  ink.fill();
  ink.globalAlpha = style.crossed ? 0.6 : 1;
  ink.setLineDash(style.dashed ? [3, 2.5] : []);
  ink.strokeStyle = style.faint || style.dashed || style.crossed ? colour : MARK_INK;
  ink.lineWidth = style.dashed || style.faint ? 2 : 1.5;
  ink.stroke();
  ink.setLineDash([]);
  if (level === 'I') {
    outlineMark(ink, level, size + 3.5);
    ink.strokeStyle = colour;
    ink.lineWidth = 1.5;
    ink.stroke();
  }
  if (style.crossed) {
    ink.strokeStyle = colour;
    ink.lineWidth = 1;
    ink.beginPath();
    ink.moveTo(-size, size);
    ink.lineTo(size, -size);
    ink.stroke();
  }
  ink.globalAlpha = 1;
  ink.fillStyle = style.filled && !style.faint ? MARK_INK : colours.edge;
  ink.font = `600 ${size > 11 ? 12 : 10}px ${FONT}`;
  ink.textAlign = 'center';
  ink.textBaseline = 'middle';
  ink.fillText(letter, 0, level === 'II' ? 3 : 0.5);
}

const FONT = '"Inter", "Noto Sans SC", "PingFang SC", "Microsoft YaHei", "WenQuanYi Micro Hei", system-ui, sans-serif';

/** The same mark as an image in text. @param {string} level @param {string} state @param {string} letter @returns {SVGElement} */
function markImage(level, state, letter) {
  const size = MARK_SIZES[level];
  const style = markStyle(state);
  const corners = MARK_CORNERS[level];
  const look = {
    class: `mark-shape level-${level}${style.filled ? '' : ' hollow'}${style.faint ? ' faint' : ''}`,
    'stroke-dasharray': style.dashed ? '3 2.5' : null,
  };
  const shape = corners
    ? svg('polygon', { points: corners.map(([x, y]) => `${(x * size).toFixed(1)},${(y * size).toFixed(1)}`).join(' '), ...look })
    : svg('circle', { r: size, ...look });
  const ring = level === 'I' && svg('circle', { r: size + 3, class: 'mark-ring' });
  const text = svg('text', { y: level === 'II' ? 7 : 4, class: style.filled && !style.faint ? 'mark-letter' : 'mark-letter light' }, letter);
  const cross = style.crossed && svg('path', { d: `M${-size} ${size}L${size} ${-size}`, class: 'mark-cross' });
  return svg('svg', { class: 'mark', viewBox: '-20 -20 40 40', 'aria-hidden': 'true' }, shape, ring, cross, text);
}
