/** Colours by what they mean; the style sheet has one set for light and one for dark. */
const NAMES = ['ink', 'muted', 'grid', 'surface', 'blue', 'orange', 'green'] as const;
export type ColorName = (typeof NAMES)[number];

/** The colours in effect. */
export function theme(): Record<ColorName, string> {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()])) as Record<
    ColorName,
    string
  >;
}

/** Calls `listener` whenever the system goes from light to dark or back. */
export function onThemeChange(listener: () => void): void {
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', listener);
}

/** Whether the system is set to reduced motion. */
export function reducedMotion(): boolean {
  return matchMedia('(prefers-reduced-motion: reduce)').matches;
}
