import { compute } from '../computer';
import { announce, NumbersTable, part } from '../dom';
import type { Panel, View } from '../panel';
import { Chart } from '../plot';
import { onThemeChange, reducedMotion } from '../theme';
import { readable } from '../words';
import { drawFlow } from './canvas';
import type { FlowFrame, FlowScene } from './compute';
import { type FlowSettings, flowControls, flowPresets } from './settings';
import { describeFlow } from './words';

/** Steps per second of the animation. */
const SPEED = 1.6;

export const flowPanel: Panel<FlowSettings> = {
  id: 'flow',
  controls: flowControls,
  presets: flowPresets,
  create: (say) => new FlowView(say),
};

class FlowView implements View<FlowSettings> {
  private readonly canvas = part<HTMLCanvasElement>('flow-canvas');
  private readonly play = part<HTMLButtonElement>('flow-play');
  private readonly scrub = part<HTMLInputElement>('flow-step');
  private readonly scrubText = part('flow-step-text');
  private readonly planSwitch = part<HTMLInputElement>('flow-plan');
  private readonly chart = new Chart(part('flow-chart'));
  private readonly numbers = new NumbersTable(part<HTMLDetailsElement>('flow-numbers'), 'W₂ along the flow', [
    'Step',
    'W₂ to the ideal law',
    'ρᵏ W₂ at the start',
    'Ideal points per condition',
  ]);
  private settings!: FlowSettings;
  /** The flow on screen, and the settings that it was computed with. */
  private shown!: FlowSettings;
  private scene?: FlowScene;
  private frames: FlowFrame[] = [];
  private time = 0;
  private playing = false;
  private lastTick = 0;
  private ticking = false;
  private spoken = -1;

  constructor(private readonly say: (text: string, loud: boolean) => void) {
    this.play.addEventListener('click', () => (this.playing ? this.stop() : this.start()));
    part('flow-back').addEventListener('click', () => this.goTo(Math.ceil(this.time) - 1));
    part('flow-forward').addEventListener('click', () => this.goTo(Math.floor(this.time) + 1));
    this.scrub.addEventListener('input', () => this.goTo(Number(this.scrub.value)));
    this.planSwitch.addEventListener('change', () => this.redraw());
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    onThemeChange(() => this.redraw());
  }

  show(settings: FlowSettings, fresh: boolean): void {
    this.settings = settings;
    this.scrub.max = String(settings.steps);
    if (fresh) {
      this.time = 0;
      this.playing = !reducedMotion();
    }
    this.time = Math.min(this.time, settings.steps);
    const incoming: FlowFrame[] = [];
    let scene: FlowScene;
    compute('flow', settings, {
      onPart: (answer) => {
        if (answer.kind === 'scene') {
          scene = answer;
          return;
        }
        incoming.push(answer);
        // The picture is replaced once the new flow has reached the same step, so that nothing flickers.
        if (this.frames === incoming || incoming.length > this.time) {
          this.shown = settings;
          this.scene = scene;
          this.frames = incoming;
          this.redraw();
        }
      },
      onDone: () => this.settled(),
      onError: (message) => this.say(`The flow could not be computed: ${message}`, true),
    });
  }

  redraw(): void {
    if (this.ticking) return;
    this.ticking = true;
    this.lastTick = 0;
    requestAnimationFrame((now) => this.tick(now));
  }

  pause(): void {
    this.playing = false;
  }

  private start(): void {
    if (this.time >= this.settings.steps) this.time = 0;
    this.playing = true;
    this.redraw();
  }

  private stop(): void {
    this.playing = false;
    this.settled();
  }

  private goTo(step: number): void {
    this.playing = false;
    this.time = Math.max(0, Math.min(this.settings.steps, step));
    this.redraw();
    this.settled();
  }

  private tick(now: number): void {
    const passed = this.lastTick ? Math.min(0.1, (now - this.lastTick) / 1000) : 0;
    this.lastTick = now;
    const { steps } = this.settings;
    if (this.playing) {
      // Never ahead of what has been computed.
      this.time = Math.min(this.time + passed * SPEED, steps, Math.max(0, this.frames.length - 1));
      if (this.time >= steps) {
        this.playing = false;
        this.settled();
      }
    }
    this.draw();
    if (this.playing) requestAnimationFrame((next) => this.tick(next));
    else this.ticking = false;
  }

  private draw(): void {
    const { scene, frames, shown } = this;
    this.play.textContent = this.playing ? 'Pause' : 'Play';
    if (!scene || frames.length === 0) return;
    part('flow-anchor-key').hidden = shown.lambda === 0;
    // With less motion the picture goes from step to step.
    const time = reducedMotion() ? Math.floor(this.time) : this.time;
    drawFlow(this.canvas, {
      scene,
      frames,
      time,
      showPlan: this.planSwitch.checked,
      showAnchors: shown.lambda > 0,
      // Steps that overshoot cross the picture again and again: of those only the last is drawn.
      trail: shown.scheme === 'euler' ? 1 : shown.steps,
    });
    this.chart.moveLine(time);
    const step = Math.min(Math.floor(time), frames.length - 1);
    if (step === this.spoken && this.playing) return;
    this.spoken = step;
    this.scrub.value = String(step);
    this.scrub.setAttribute('aria-valuetext', `step ${step} of ${shown.steps}`);
    this.scrubText.textContent = `${step} / ${shown.steps}`;
    this.say(this.words(step), false);
  }

  private words(step: number): string {
    const { scene, frames, shown } = this;
    if (!scene || !frames[step]) return '';
    return describeFlow(shown, scene, frames, step);
  }

  /** The numbers are complete, or the animation rests: draws the chart and tells the screen reader. */
  private settled(): void {
    const { scene, frames } = this;
    if (!scene || frames.length === 0) return;
    this.redraw();
    const text = this.words(Math.min(Math.floor(this.time), frames.length - 1));
    this.canvas.setAttribute('aria-label', `Conditions, ideal conditions and transport plan in the plane. ${text}`);
    if (!this.playing) announce(text);
    if (frames.length <= this.settings.steps) return;
    this.drawChart(scene, frames);
    this.numbers.update(() =>
      frames.map(({ step, distance, links }) => [
        step,
        readable(distance, 4),
        readable(frames[0].distance * scene.rate ** step, 4),
        readable(links.spread, 3),
      ]),
    );
  }

  private drawChart(scene: FlowScene, frames: FlowFrame[]): void {
    const x = frames.map(({ step }) => step);
    const measured = frames.map(({ distance }) => distance);
    const promised = x.map((step) => frames[0].distance * scene.rate ** step);
    const all = [...measured, ...promised, ...(scene.bias > 0 ? [scene.bias] : [])];
    const last = frames.length - 1;
    this.chart.show({
      series: [
        { name: 'W₂, measured', x, y: measured, color: 'blue', mode: 'lines+markers' },
        { name: 'ρᵏ W₂ at the start', x, y: promised, color: 'ink', dash: 'dash' },
        ...(scene.bias > 0
          ? [{ name: 'limit that λ causes', x, y: x.map(() => scene.bias), color: 'orange', dash: 'dot' } as const]
          : []),
      ],
      x: 'step k',
      y: 'W₂ to the ideal law (unit of c)',
      logY: true,
      range: { x: [-0.3, last + 0.3], y: [0.8 * Math.max(1e-6, Math.min(...all)), 1.25 * Math.max(...all)] },
      label: `W₂ to the ideal law over the steps, falling from ${readable(measured[0])} to ${readable(measured[last])}; ρᵏ W₂ at the start falls to ${readable(promised[last])}.`,
    });
  }

  private resize(): void {
    const density = Math.min(devicePixelRatio, 2);
    const { clientWidth, clientHeight } = this.canvas;
    if (clientWidth === 0) return;
    this.canvas.width = Math.round(clientWidth * density);
    this.canvas.height = Math.round(clientHeight * density);
    this.redraw();
  }
}
