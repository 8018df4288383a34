import { checkGroup, type Group, type Refined } from '../refiner';
import { changed } from './changed';

/** Replaces every condition by the nearest sample of the ideal law: pure retrieval. */
export function nearestNeighbour(group: Group): Refined {
  checkGroup(group);
  const { conditions, law } = group;
  const { targets, width } = law;
  const nearest = Array.from({ length: conditions.length / width }, (_, i) => {
    let best = 0;
    let smallest = Infinity;
    for (let j = 0; j < law.count; j++) {
      let sum = 0;
      for (let k = 0; k < width; k++) sum += (conditions[i * width + k] - targets[j * width + k]) ** 2;
      if (sum < smallest) {
        smallest = sum;
        best = j;
      }
    }
    return best;
  });
  return changed(group, (_, i) => targets[nearest[Math.floor(i / width)] * width + (i % width)]);
}
