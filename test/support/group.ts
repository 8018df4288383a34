import { IdealLaw } from '../../src/refinement/law';
import { createGroup, type Group, type GroupContext } from '../../src/refinement/refiner';

/** Everything that a test knows of a group, in one object. */
export interface Known extends Partial<GroupContext> {
  conditions: Float32Array;
  targets: Float32Array;
  width: number;
  /** Latents of the targets. */
  latents?: Float32Array;
  /** Visible tokens of both sides. */
  visible?: { conditions: Uint8Array; targets: Uint8Array };
}

/** A group that stands alone. */
export function group({ conditions, targets, width, latents, visible, ...context }: Known): Group {
  const law = new IdealLaw({ targets, width, latents, visibleTokens: visible?.targets });
  return createGroup(conditions, law, { ...(visible ? { visibleTokens: () => visible.conditions } : {}), ...context });
}
