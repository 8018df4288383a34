import { theme } from '../theme';
import type { FlowFrame, FlowScene } from './compute';

/** Smallest half-width of the visible plane, in units of the condition. */
export const EXTENT = 4.6;
/** Links are drawn in so many strengths. */
const STRENGTHS = 4;

export interface FlowPicture {
  scene: FlowScene;
  frames: readonly FlowFrame[];
  /** Time in steps; between two frames points are on the straight line that the step takes. */
  time: number;
  showPlan: boolean;
  showAnchors: boolean;
  /** How many past steps of each condition are drawn. */
  trail: number;
}

/** Where the conditions are at a time between two frames, [n, 2]. */
export function pointsAt(frames: readonly FlowFrame[], time: number): Float64Array {
  const index = Math.min(Math.floor(time), frames.length - 1);
  const now = frames[index].points;
  const next = frames[index + 1]?.points;
  const share = time - index;
  return next && share > 0 ? now.map((value, at) => value + share * (next[at] - value)) : now;
}

/** Draws plan, trails, anchors, ideal conditions and conditions; each kind has a shape of its own. */
export function drawFlow(canvas: HTMLCanvasElement, picture: FlowPicture): void {
  const { scene, frames, time, showPlan, showAnchors, trail } = picture;
  const context = canvas.getContext('2d');
  if (!context || frames.length === 0) return;
  const colors = theme();
  const { width, height } = canvas;
  const density = Math.min(devicePixelRatio, 2);
  const extent = extentAt(frames, time);
  const scale = Math.min(width, height) / (2 * extent);
  const x = (value: number) => width / 2 + scale * value;
  const y = (value: number) => height / 2 - scale * value;
  const points = pointsAt(frames, time);
  const { links } = frames[Math.min(Math.floor(time), frames.length - 1)];
  const n = points.length / 2;
  context.clearRect(0, 0, width, height);
  context.lineCap = 'round';

  grid(context, { color: colors.grid, extent, x, y, density });

  if (showPlan) {
    context.strokeStyle = colors.green;
    for (let strength = 1; strength <= STRENGTHS; strength++) {
      context.globalAlpha = 0.12 + (0.6 * strength) / STRENGTHS;
      context.lineWidth = density * (0.5 + strength / STRENGTHS);
      context.beginPath();
      for (let k = 0; k < links.share.length; k++) {
        if (Math.ceil(links.share[k] * STRENGTHS) !== strength) continue;
        context.moveTo(x(points[2 * links.from[k]]), y(points[2 * links.from[k] + 1]));
        context.lineTo(x(scene.target[2 * links.to[k]]), y(scene.target[2 * links.to[k] + 1]));
      }
      context.stroke();
    }
  }

  context.globalAlpha = 0.35;
  context.strokeStyle = colors.blue;
  context.lineWidth = density;
  context.beginPath();
  const past = Math.floor(Math.min(time, frames.length - 1));
  const first = Math.max(0, past - trail);
  for (let i = 0; i < n; i++) {
    context.moveTo(x(frames[first].points[2 * i]), y(frames[first].points[2 * i + 1]));
    for (let k = first + 1; k <= past; k++) context.lineTo(x(frames[k].points[2 * i]), y(frames[k].points[2 * i + 1]));
    context.lineTo(x(points[2 * i]), y(points[2 * i + 1]));
  }
  context.stroke();
  context.globalAlpha = 1;

  context.lineWidth = 1.4 * density;
  if (showAnchors) {
    const size = 4 * density;
    context.strokeStyle = colors.muted;
    context.beginPath();
    for (let i = 0; i < n; i++) {
      const [px, py] = [x(scene.anchors[2 * i]), y(scene.anchors[2 * i + 1])];
      context.moveTo(px - size, py);
      context.lineTo(px + size, py);
      context.moveTo(px, py - size);
      context.lineTo(px, py + size);
    }
    context.stroke();
  }

  const half = 3 * density;
  context.strokeStyle = colors.orange;
  context.beginPath();
  for (let j = 0; j < n; j++) {
    context.rect(x(scene.target[2 * j]) - half, y(scene.target[2 * j + 1]) - half, 2 * half, 2 * half);
  }
  context.stroke();

  const radius = 3.4 * density;
  context.fillStyle = colors.blue;
  context.beginPath();
  for (let i = 0; i < n; i++) {
    const [px, py] = [x(points[2 * i]), y(points[2 * i + 1])];
    context.moveTo(px + radius, py);
    context.arc(px, py, radius, 0, 2 * Math.PI);
  }
  context.fill();
}

/** Half the width of the picture at a time: it zooms out, steadily, when the cloud leaves it. */
export function extentAt(frames: readonly FlowFrame[], time: number): number {
  const index = Math.min(Math.floor(time), frames.length - 1);
  const now = reach(frames[index]);
  const next = reach(frames[index + 1] ?? frames[index]);
  return now + (time - index) * (next - now);
}

/** Largest coordinate of a frame with a margin, at least `EXTENT`. */
function reach({ points }: FlowFrame): number {
  return points.reduce((largest, value) => Math.max(largest, 1.08 * Math.abs(value)), EXTENT);
}

interface Grid {
  color: string;
  extent: number;
  x: (value: number) => number;
  y: (value: number) => number;
  density: number;
}

/** Lines every two units, and twice as far apart with every doubling of the picture. */
function grid(context: CanvasRenderingContext2D, { color, extent, x, y, density }: Grid): void {
  const apart = 2 * 2 ** Math.max(0, Math.ceil(Math.log2(extent / EXTENT)));
  context.strokeStyle = color;
  context.lineWidth = density;
  context.beginPath();
  for (let line = -5 * apart; line <= 5 * apart; line += apart) {
    context.moveTo(x(line), 0);
    context.lineTo(x(line), context.canvas.height);
    context.moveTo(0, y(line));
    context.lineTo(context.canvas.width, y(line));
  }
  context.stroke();
}
