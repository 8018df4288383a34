import type { Figure } from './figure';

/** A picture (PNG bytes of the given pixel size) as a figure without axes; `rows` are labels beside it from top to bottom. */
export function pictureFigure(
  png: Buffer,
  { title, width, height, rows = [] }: { title: string; width: number; height: number; rows?: readonly string[] },
): Figure {
  const left = rows.length ? 10 + 7 * Math.max(...rows.map((label) => label.length)) : 10;
  const hidden = { visible: false, constrain: 'domain' as const };
  return {
    data: [{ type: 'image', source: `data:image/png;base64,${png.toString('base64')}`, hoverinfo: 'skip' } as never],
    layout: {
      title: { text: title, font: { size: 16 } },
      width: width + left + 10,
      height: height + 60,
      margin: { l: left, r: 10, t: 50, b: 10 },
      xaxis: { ...hidden, range: [-0.5, width - 0.5] },
      yaxis: { ...hidden, range: [height - 0.5, -0.5], scaleanchor: 'x' },
      annotations: rows.map((text, i) => ({
        text,
        xref: 'paper',
        yref: 'paper',
        x: 0,
        xanchor: 'right',
        xshift: -6,
        y: 1 - (i + 0.5) / rows.length,
        showarrow: false,
      })),
    },
  };
}
