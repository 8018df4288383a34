import { checkGroup, type Refiner, rowMean } from '../refiner';
import { changed } from './changed';

/** Moves every condition towards the cloud's own mean: c <- mean + keep (c - mean). Knows nothing of the ideal law. */
export function shrink(keep: number): Refiner {
  return (group) => {
    checkGroup(group);
    const mean = rowMean(group.conditions, group.width);
    return changed(group, (value, i) => mean[i % group.width] + keep * (value - mean[i % group.width]));
  };
}
