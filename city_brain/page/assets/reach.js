/** What belongs to the incident that is chosen: how far it reaches, how surely it is there, and what tells of it. */
'use strict';

/** How far an incident reaches, and how surely it is there. */
function drawExtent(ink, map, said) {
  const [x, y] = map.place(...map.world.metres(said.lon, said.lat));
  ink.strokeStyle = ink.fillStyle = LEVEL_COLOURS[said.level || 'none'];
  if (said.geometry) {
    ink.lineWidth = 6;
    ink.lineCap = ink.lineJoin = 'round';
    ink.globalAlpha = 0.75;
    for (const line of said.geometry.coordinates) {
      ink.beginPath();
      line.forEach(([lon, lat], k) => {
        const [px, py] = map.place(...map.world.metres(lon, lat));
        if (k) ink.lineTo(px, py);
        else ink.moveTo(px, py);
      });
      ink.stroke();
    }
    ink.globalAlpha = 1;
  }
  ink.lineWidth = 1.5;
  if (said.radius_m) {
    ink.beginPath();
    ink.arc(x, y, said.radius_m * map.scale, 0, 2 * Math.PI);
    ink.globalAlpha = 0.14;
    ink.fill();
    ink.globalAlpha = 1;
    ink.stroke();
  }
  ink.setLineDash([2, 3]);
  ink.beginPath();
  ink.arc(x, y, Math.max(said.position_error_m * map.scale, 1), 0, 2 * Math.PI);
  ink.stroke();
  ink.setLineDash([]);
}

/** A source that an incident rests on: what it sees, and where it stands. */
function drawLit(ink, map, id) {
  const found = map.world.sources.get(id);
  if (!found) return;
  ink.strokeStyle = map.colours.source;
  ink.lineWidth = 1;
  if (found.source.view) {
    ink.beginPath();
    for (let i = 0; i < found.source.view.length; i += 2) ink.lineTo(...map.place(found.source.view[i], found.source.view[i + 1]));
    ink.closePath();
    ink.stroke();
    ink.globalAlpha = 0.07;
    ink.fillStyle = map.colours.source;
    ink.fill();
    ink.globalAlpha = 1;
  }
  const [x, y] = map.place(found.source.x, found.source.y);
  ink.lineWidth = 2;
  ink.beginPath();
  ink.arc(x, y, 9, 0, 2 * Math.PI);
  ink.stroke();
}
