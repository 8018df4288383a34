import type { Parameters } from '../runtime/parameters';
import { trainStep } from './compiled-step';
import type { Batch, Loss, StepOptions, StepState, TrainStep } from './step';

/** What completes batches with the help of the current weights, and what it remembers between steps. */
export interface Preparation {
  /**
   * More inputs of the loss for a batch; the step disposes of them. Must depend on its arguments and the state alone.
   * @param step updates made so far
   */
  prepare(batch: Batch, parameters: Parameters, step: number): Promise<Batch>;
  /** The state as named arrays, so that a resumed training goes on with the very same numbers. */
  exportState(): StepState['tensors'];
  importState(tensors: StepState['tensors']): void;
}

type MakeStep = (loss: Loss, initial: Parameters, options: StepOptions) => TrainStep;

/**
 * An update whose batches are completed first: for `makeStep` of the training loop, where batches are functions of the step alone.
 * A failed step may have changed the state of the preparation, not the weights.
 */
export function preparedStep(preparation: Preparation, makeStep: MakeStep = trainStep): MakeStep {
  return (loss, initial, options) => {
    const inner = makeStep(loss, initial, options);
    let steps = 0;
    return {
      ...inner,
      async update(batch, learningRate, meanwhile) {
        const parameters = inner.parameters();
        let more: Batch = {};
        try {
          more = await preparation.prepare(batch, parameters, steps);
          const report = await inner.update({ ...batch, ...more }, learningRate, meanwhile);
          steps++;
          return report;
        } finally {
          for (const x of [...parameters.values(), ...Object.values(more)]) x.dispose();
        }
      },
      exportState() {
        const { step, tensors } = inner.exportState();
        return { step, tensors: new Map([...tensors, ...preparation.exportState()]) };
      },
      importState(state) {
        inner.importState(state);
        preparation.importState(state.tensors);
        steps = state.step;
      },
    };
  };
}
