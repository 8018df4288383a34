import { existsSync } from 'node:fs';
import { readSafetensors, writeSafetensors } from '../io/safetensors';
import { toFloat32 } from '../io/tensor-record';
import { FileFormatError, InvalidInputError } from '../runtime/errors';
import type { StepState } from './step';

/** What must be the same for a training to go on where it stopped: model, data, seed and options, as plain JSON. */
export type Identity = Record<string, unknown>;

/** A training in the middle: everything but the code. Batches are functions of the step, so they need no state. */
export interface Checkpoint {
  state: StepState;
  identity: Identity;
  /** Seconds spent so far, over all runs. */
  seconds: number;
  /** Checksum of the log at this step; empty where there is none. */
  log: string;
  /** Loss of every step so far. */
  losses: Float64Array;
}

/** Tensor of the losses; weights and moments begin with their kind and a dot. */
const LOSSES = 'losses';
const FORMAT = 'training state 4';

/** Writes a checkpoint as one safetensors file, all or nothing: a crash at any moment leaves the old one whole. */
export function saveCheckpoint(path: string, { state, identity, seconds, log, losses }: Checkpoint): void {
  const tensors = [...state.tensors].map(([name, { shape, data }]) => [name, { dtype: 'F32', shape, data }] as const);
  const history = { dtype: 'F64', shape: [losses.length], data: losses } as const;
  writeSafetensors(path, [...tensors, [LOSSES, history]], {
    format: FORMAT,
    step: String(state.step),
    seconds: String(seconds),
    identity: JSON.stringify(identity),
    log,
  });
}

/** Reads a checkpoint, or undefined where there is none. @throws FileFormatError for a file that is damaged or something else. */
export function loadCheckpoint(path: string): Checkpoint | undefined {
  if (!existsSync(path)) return undefined;
  const { metadata, tensors, verify } = readSafetensors(path);
  verify();
  if (metadata.format !== FORMAT) {
    throw new FileFormatError(path, {
      given: `format ${JSON.stringify(metadata.format)}`,
      expected: JSON.stringify(FORMAT),
      remedy: 'Give the checkpoint of a training by this project, or start anew in another folder.',
    });
  }
  const state: StepState = { step: Number(metadata.step), tensors: new Map() };
  const losses = tensors.get(LOSSES)?.read();
  const identity = identityOf(metadata.identity);
  const isWhole = Number.isInteger(state.step) && losses instanceof Float64Array && losses.length === state.step;
  if (!isWhole || !identity) {
    throw new FileFormatError(path, {
      given: `step ${metadata.step} with ${losses?.length ?? 'no'} losses, identity ${metadata.identity}`,
      expected: 'a whole number of steps, a loss for each, and the identity as JSON',
      remedy: 'The file is damaged: start anew, without --resume.',
    });
  }
  for (const [name, tensor] of tensors) {
    if (name === LOSSES) continue;
    state.tensors.set(name, {
      shape: [...tensor.shape],
      data: toFloat32({ dtype: tensor.dtype, data: tensor.read() }),
    });
  }
  return { state, identity, seconds: Number(metadata.seconds), log: metadata.log, losses };
}

function identityOf(text: string): Identity | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Checks that a checkpoint belongs to this training. @throws InvalidInputError naming each field that differs. */
export function requireSameIdentity(path: string, stored: Identity, current: Identity): void {
  const text = (value: unknown) => JSON.stringify(value) ?? 'nothing';
  const differing = [...new Set([...Object.keys(stored), ...Object.keys(current)])].filter(
    (name) => text(stored[name]) !== text(current[name]),
  );
  if (differing.length === 0) return;
  throw new InvalidInputError(`Checkpoint ${path}`, {
    given: differing.map((name) => `${name} = ${text(stored[name])}`).join(', '),
    expected: differing.map((name) => `${name} = ${text(current[name])}`).join(', '),
    remedy: 'Resume with the same data and options, or start anew in another folder (or without --resume).',
  });
}
