import { decayPanel } from './decay/panel';
import { part } from './dom';
import { figure3Panel } from './figure-3/panel';
import { flowPanel } from './flow/panel';
import { type MountedPanel, mount } from './panel';
import { splitHash } from './state';

let current: MountedPanel | undefined;
let written = '';
let writing: ReturnType<typeof setTimeout> | undefined;

/** Puts the settings into the address, once they rest: browsers refuse many changes a second. */
function remember(): void {
  clearTimeout(writing);
  writing = setTimeout(() => {
    if (!current) return;
    written = current.hash();
    history.replaceState(null, '', written);
  }, 250);
}

const panels = [mount(flowPanel, remember), mount(decayPanel, remember), mount(figure3Panel, remember)];
const tabs = panels.map(({ id }) => part<HTMLButtonElement>(`tab-${id}`));

/** Shows one panel; with a query its settings are those of the query, else those that it had. */
function open(panel: MountedPanel, query?: string): void {
  for (const other of panels) if (other !== panel) other.close();
  current = panel;
  for (const [i, tab] of tabs.entries()) {
    const chosen = panels[i] === panel;
    tab.setAttribute('aria-selected', String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
  }
  panel.open(query);
}

function openFromHash(): void {
  const { panel, query } = splitHash(location.hash);
  open(panels.find(({ id }) => id === panel) ?? panels[0], query);
}

for (const [i, tab] of tabs.entries()) {
  tab.addEventListener('click', () => {
    open(panels[i]);
    remember();
  });
  tab.addEventListener('keydown', (event) => {
    const last = tabs.length - 1;
    const goals: Record<string, number> = {
      ArrowRight: i === last ? 0 : i + 1,
      ArrowLeft: i === 0 ? last : i - 1,
      Home: 0,
      End: last,
    };
    if (!(event.key in goals)) return;
    event.preventDefault();
    tabs[goals[event.key]].focus();
    tabs[goals[event.key]].click();
  });
}
addEventListener('hashchange', () => {
  if (location.hash !== written) openFromHash();
});
openFromHash();
