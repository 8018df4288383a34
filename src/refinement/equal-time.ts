import { InvalidInputError } from '../runtime/errors';

/** A measured generation: reverse-process steps per token, and seconds per image. */
export interface TimedGeneration {
  steps: number;
  seconds: number;
}

/** How many reverse-process steps a method's time would have bought instead. */
export interface EqualTime {
  /** Steps to ask for; of the feasible counts the one whose time is nearest to the method's. */
  steps: number;
  /** `ddimN`, for `respacing`. */
  respacing: string;
  /** Seconds per image of the method, and what the steps are predicted to take. */
  seconds: number;
  predicted: number;
  /** Fitted seconds per image: for one step, and apart from the steps (transformer, set-up). */
  perStep: number;
  fixed: number;
}

/**
 * The rival "just more denoising steps" at equal time: fits seconds = fixed + perStep * steps to unrefined generations and
 * inverts it at the method's time. With one generation, `fixed` is taken as 0, which favours the method.
 * @param unrefined generations without refinement, on the same machine, at different numbers of steps
 * @param seconds per image of the method
 * @throws InvalidInputError for no generations, times that are not positive, or times that do not grow with the steps.
 */
export function equalTimeSteps(unrefined: readonly TimedGeneration[], seconds: number): EqualTime {
  const sound = [seconds, ...unrefined.flatMap((run) => [run.steps, run.seconds])].every((x) => x > 0 && x < Infinity);
  const n = unrefined.length;
  const mean = (of: (run: TimedGeneration) => number) => unrefined.reduce((sum, run) => sum + of(run), 0) / n;
  const [steps, time] = [mean((run) => run.steps), mean((run) => run.seconds)];
  const spread = mean((run) => (run.steps - steps) ** 2);
  const slope = spread > 0 ? mean((run) => (run.steps - steps) * (run.seconds - time)) / spread : time / steps;
  if (n === 0 || !sound || !(slope > 0)) {
    throw new InvalidInputError('Steps at equal time', {
      given: `${seconds} s for the method, ${JSON.stringify(unrefined)} for unrefined generations`,
      expected: 'positive times that grow with the number of steps',
      remedy: 'Measure again on a quiet machine, with step counts further apart.',
    });
  }
  const fixed = time - slope * steps;
  const wanted = (seconds - fixed) / slope;
  const chosen = nearestFeasible(wanted);
  return {
    steps: chosen,
    respacing: `ddim${chosen}`,
    seconds,
    predicted: fixed + slope * chosen,
    perStep: slope,
    fixed,
  };
}

/** The `ddimN` nearest to a number of steps: not every count divides the process evenly. */
export function nearestRespacing(steps: number): string {
  return `ddim${nearestFeasible(steps)}`;
}

const TRAINING_STEPS = 1000;

/** Of the counts that some integer stride over the training steps gives exactly, the nearest; the larger one of a tie. */
function nearestFeasible(wanted: number): number {
  let best = TRAINING_STEPS;
  for (let stride = 1; stride < TRAINING_STEPS; stride++) {
    const count = Math.ceil(TRAINING_STEPS / stride);
    if (Math.abs(count - wanted) < Math.abs(best - wanted)) best = count;
  }
  return best;
}
