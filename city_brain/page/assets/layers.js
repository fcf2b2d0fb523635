/** The still layers of the map: roads, junctions, what cameras see, sources and names, drawn once and then moved. */
'use strict';

/** Names of junctions stand on the map from this scale on, and those of sources from the second; pixels per metre. */
const NAMES_FROM = 0.35;
const SOURCES_FROM = 0.12;

/** Colours of the map by theme. */
const MAP_COLOURS = {
  dark: {
    ground: '#0c1117', lane: '#303d4b', edge: '#e8eef5', crosswalk: '#4b5a6a', junction: '#1d2733', view: 'rgba(84,160,190,0.07)', viewLine: 'rgba(98,176,205,0.30)',
    camera: '#7fb8cf', blind: 'rgba(255,255,255,0.10)', blindLine: '#ffb454', sensor: '#9a8fd6', signal: '#7fae8f', name: '#9fb0c2', area: '#33414f', chosen: '#ffffff', source: '#36d6c3',
  },
  light: {
    ground: '#f3f5f7', lane: '#c5ced7', edge: '#18222d', crosswalk: '#b4bfca', junction: '#dde3e9', view: 'rgba(20,110,150,0.06)', viewLine: 'rgba(20,100,140,0.28)',
    camera: '#1f6f8f', blind: 'rgba(0,0,0,0.08)', blindLine: '#a34e00', sensor: '#5a4bb0', signal: '#2f7048', name: '#45525f', area: '#a9b4bf', chosen: '#000000', source: '#00796b',
  },
};

/** Begins a path along a flat line of metres. @param {CanvasRenderingContext2D} ink @param {Array<number>} flat */
function trace(ink, flat) {
  for (let i = 0; i < flat.length; i += 2) {
    if (i === 0) ink.moveTo(flat[0], -flat[1]);
    else ink.lineTo(flat[i], -flat[i + 1]);
  }
}

/**
 * Draws all that stands still; the context maps metres (x, -y) to pixels already.
 * @param {CanvasRenderingContext2D} ink @param {World} world @param {number} scale pixels per metre
 * @param {Object} colours @param {Object} layers @param {Map<string, Object>} blind
 */
function drawGround(ink, world, scale, colours, layers, blind) {
  const ground = world.city.ground;
  const px = 1 / scale;
  ink.lineJoin = ink.lineCap = 'round';
  ink.strokeStyle = colours.area;
  ink.lineWidth = 1.2 * px;
  ink.setLineDash([6 * px, 4 * px]);
  for (const area of ground.areas) for (const ring of area.rings) { ink.beginPath(); trace(ink, ring); ink.stroke(); }
  ink.setLineDash([]);
  ink.fillStyle = colours.junction;
  for (const junction of ground.junctions) { ink.beginPath(); trace(ink, junction.outline); ink.fill(); }
  ink.strokeStyle = colours.lane;
  for (const lane of ground.lanes) {
    ink.lineWidth = Math.max(lane.width_m * 0.86, px);
    ink.beginPath();
    trace(ink, lane.line);
    ink.stroke();
  }
  if (scale > SOURCES_FROM) {
    ink.strokeStyle = colours.crosswalk;
    ink.lineWidth = 2.4;
    ink.lineCap = 'butt';
    ink.setLineDash([0.6, 0.6]);
    for (const line of ground.crosswalks) { ink.beginPath(); trace(ink, line); ink.stroke(); }
    ink.setLineDash([]);
  }
  if (layers.views) drawViews(ink, ground.cameras, px, colours, blind);
}

/** What cameras see; the view of a blind one is hatched. */
function drawViews(ink, cameras, px, colours, blind) {
  for (const camera of cameras) {
    const dark = blind.has(camera.id);
    ink.beginPath();
    trace(ink, camera.view);
    ink.closePath();
    ink.fillStyle = dark ? colours.blind : colours.view;
    ink.fill();
    ink.strokeStyle = dark ? colours.blindLine : colours.viewLine;
    ink.lineWidth = (dark ? 1.4 : 0.8) * px;
    ink.setLineDash(dark ? [5 * px, 4 * px] : []);
    ink.stroke();
    ink.setLineDash([]);
    if (dark) hatch(ink, camera.view, px, colours.blindLine);
  }
}

/** Hatches a polygon. */
function hatch(ink, flat, px, colour) {
  let west = Infinity, east = -Infinity, south = Infinity, north = -Infinity;
  for (let i = 0; i < flat.length; i += 2) {
    west = Math.min(west, flat[i]); east = Math.max(east, flat[i]);
    south = Math.min(south, flat[i + 1]); north = Math.max(north, flat[i + 1]);
  }
  const step = Math.max(9 * px, (east - west + north - south) / 200);
  ink.save();
  ink.beginPath();
  trace(ink, flat);
  ink.closePath();
  ink.clip();
  ink.strokeStyle = colour;
  ink.globalAlpha = 0.35;
  ink.lineWidth = px;
  ink.beginPath();
  for (let x = west - (north - south); x < east; x += step) {
    ink.moveTo(x, -south);
    ink.lineTo(x + (north - south), -north);
  }
  ink.stroke();
  ink.restore();
}

/**
 * Draws sources and names, in pixels.
 * @param {CanvasRenderingContext2D} ink @param {World} world @param {function(number, number): [number, number]} place
 */
function drawSources(ink, world, scale, colours, layers, blind, place) {
  const ground = world.city.ground;
  if (layers.names && scale > NAMES_FROM) drawNames(ink, ground.junctions, colours, place);
  if (scale < SOURCES_FROM / 2) return;
  if (layers.sensors) {
    for (const sensor of ground.sensors) {
      const [x, y] = place(sensor.x, sensor.y);
      ink.fillStyle = colours.sensor;
      ink.strokeStyle = colours.ground;
      ink.lineWidth = 1.5;
      ink.beginPath();
      ink.moveTo(x, y - 4.5); ink.lineTo(x + 4, y + 3); ink.lineTo(x - 4, y + 3);
      ink.closePath();
      ink.fill();
      if (blind.has(sensor.id)) crossOut(ink, x, y, 6, colours.blindLine);
    }
  }
  if (layers.signals) {
    for (const signal of ground.signals) {
      const [x, y] = place(signal.x, signal.y);
      ink.strokeStyle = colours.signal;
      ink.lineWidth = 1.5;
      ink.strokeRect(x - 2.5, y - 5, 5, 10);
      if (blind.has(signal.id)) crossOut(ink, x, y, 7, colours.blindLine);
    }
  }
  if (layers.cameras) for (const camera of ground.cameras) drawCamera(ink, camera, colours, blind.has(camera.id), place);
}

/** A camera: a body that looks somewhere; a blind one is a crossed ring. */
function drawCamera(ink, camera, colours, dark, place) {
  const [x, y] = place(camera.x, camera.y);
  if (dark) {
    ink.fillStyle = colours.ground;
    ink.strokeStyle = colours.blindLine;
    ink.lineWidth = 2;
    ink.beginPath();
    ink.arc(x, y, 6.5, 0, 2 * Math.PI);
    ink.fill();
    ink.stroke();
    crossOut(ink, x, y, 4.5, colours.blindLine);
    return;
  }
  const turn = (camera.heading_deg * Math.PI) / 180;
  ink.save();
  ink.translate(x, y);
  ink.rotate(turn);
  ink.fillStyle = colours.camera;
  ink.beginPath();
  ink.moveTo(-2.6, 3.5); ink.lineTo(2.6, 3.5); ink.lineTo(2.6, -1); ink.lineTo(4.2, -5); ink.lineTo(-4.2, -5); ink.lineTo(-2.6, -1);
  ink.closePath();
  ink.fill();
  ink.restore();
}

function crossOut(ink, x, y, size, colour) {
  ink.strokeStyle = colour;
  ink.lineWidth = 2;
  ink.beginPath();
  ink.moveTo(x - size, y - size); ink.lineTo(x + size, y + size);
  ink.moveTo(x + size, y - size); ink.lineTo(x - size, y + size);
  ink.stroke();
}

/** Names of junctions, each where no other stands. */
function drawNames(ink, junctions, colours, place) {
  const taken = [];
  ink.font = `500 11px ${FONT}`;
  ink.textAlign = 'center';
  ink.textBaseline = 'top';
  for (const junction of junctions) {
    const text = plain(inLanguage(junction) || junction.id, 28);
    const [x, y] = place(junction.x, junction.y);
    const half = ink.measureText(text).width / 2 + 4;
    const top = y + 15;
    if (taken.some((box) => Math.abs(box.x - x) < box.half + half && Math.abs(box.top - top) < 15)) continue;
    taken.push({ x, half, top });
    ink.lineWidth = 3;
    ink.strokeStyle = colours.ground;
    ink.strokeText(text, x, top);
    ink.fillStyle = colours.name;
    ink.fillText(text, x, top);
  }
}
