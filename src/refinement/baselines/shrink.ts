import { checkGroup, type Refiner } from '../refiner';
import { rowMean } from '../rows';
import { changed } from './changed';

/** Moves every condition towards the cloud's own mean: c <- mean + keep (c - mean). Knows nothing of the ideal law. */
export function shrink(keep: number): Refiner {
  return (group) => {
    checkGroup(group);
    const { width } = group.law;
    const mean = rowMean(group.conditions, width);
    return changed(group, (value, i) => mean[i % width] + keep * (value - mean[i % width]));
  };
}
