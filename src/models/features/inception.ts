import * as tf from '@tensorflow/tfjs';
import { InvalidInputError } from '../../runtime/errors';
import type { Parameters } from '../../runtime/parameters';
import type { Shapes } from '../blocks/initialisers';
import { weight } from '../blocks/layers';
import {
  type Block,
  type Branch,
  blockShapes,
  type ConvolutionLayer,
  convolutionLayer,
  layerShapes,
  type NamedLayer,
  runBlock,
} from './inception-blocks';

/**
 * InceptionV3 as FID uses it (Szegedy et al. 2016, in the variant of TensorFlow's file of 2015-12-05): 1008 classes, averages that leave out the
 * padding, a maximum in the pooling branch of the last block. The weights have the names of the PyTorch file
 * `pt_inception-2015-12-05` (torchvision's names); without auxiliary head.
 */
const CLASSES = 1008;
const WIDTH = 2048;
const SIZE = 299;

const conv = (
  name: string,
  out: number,
  kernel: number | readonly [number, number] = 1,
  options: Pick<ConvolutionLayer, 'stride' | 'padding'> = {},
): NamedLayer => [name, { out, kernel: typeof kernel === 'number' ? [kernel, kernel] : kernel, ...options }];
const HALVING = { stride: 2, padding: 'valid' } as const;

const STEM = {
  first: [
    conv('Conv2d_1a_3x3', 32, 3, HALVING),
    conv('Conv2d_2a_3x3', 32, 3, { padding: 'valid' }),
    conv('Conv2d_2b_3x3', 64, 3),
  ],
  second: [conv('Conv2d_3b_1x1', 80), conv('Conv2d_4a_3x3', 192, 3, { padding: 'valid' })],
};

const BLOCKS: readonly Block[] = [
  narrow('Mixed_5b', 32),
  narrow('Mixed_5c', 64),
  narrow('Mixed_5d', 64),
  {
    name: 'Mixed_6a',
    branches: [
      { layers: [conv('branch3x3', 384, 3, HALVING)] },
      { layers: [conv('branch3x3dbl_1', 64), conv('branch3x3dbl_2', 96, 3), conv('branch3x3dbl_3', 96, 3, HALVING)] },
      { pool: 'largest, halving', layers: [] },
    ],
  },
  factorised('Mixed_6b', 128),
  factorised('Mixed_6c', 160),
  factorised('Mixed_6d', 160),
  factorised('Mixed_6e', 192),
  {
    name: 'Mixed_7a',
    branches: [
      { layers: [conv('branch3x3_1', 192), conv('branch3x3_2', 320, 3, HALVING)] },
      {
        layers: [
          conv('branch7x7x3_1', 192),
          conv('branch7x7x3_2', 192, [1, 7]),
          conv('branch7x7x3_3', 192, [7, 1]),
          conv('branch7x7x3_4', 192, 3, HALVING),
        ],
      },
      { pool: 'largest, halving', layers: [] },
    ],
  },
  wide('Mixed_7b', 'average'),
  wide('Mixed_7c', 'largest'),
];

/** 35 x 35 maps: kernels of 1, 5 and twice 3. */
function narrow(name: string, poolChannels: number): Block {
  return {
    name,
    branches: [
      { layers: [conv('branch1x1', 64)] },
      { layers: [conv('branch5x5_1', 48), conv('branch5x5_2', 64, 5)] },
      { layers: [conv('branch3x3dbl_1', 64), conv('branch3x3dbl_2', 96, 3), conv('branch3x3dbl_3', 96, 3)] },
      { pool: 'average', layers: [conv('branch_pool', poolChannels)] },
    ],
  };
}

/** 17 x 17 maps: kernels of 7 as a row and a column. */
function factorised(name: string, channels: number): Block {
  const [row, column] = [[1, 7] as const, [7, 1] as const];
  return {
    name,
    branches: [
      { layers: [conv('branch1x1', 192)] },
      { layers: [conv('branch7x7_1', channels), conv('branch7x7_2', channels, row), conv('branch7x7_3', 192, column)] },
      {
        layers: [
          conv('branch7x7dbl_1', channels),
          conv('branch7x7dbl_2', channels, column),
          conv('branch7x7dbl_3', channels, row),
          conv('branch7x7dbl_4', channels, column),
          conv('branch7x7dbl_5', 192, row),
        ],
      },
      { pool: 'average', layers: [conv('branch_pool', 192)] },
    ],
  };
}

/** 8 x 8 maps: a row and a column of 3 side by side. */
function wide(name: string, pool: Branch['pool']): Block {
  const ends = (stem: string) => [conv(`${stem}a`, 384, [1, 3]), conv(`${stem}b`, 384, [3, 1])];
  return {
    name,
    branches: [
      { layers: [conv('branch1x1', 320)] },
      { layers: [conv('branch3x3_1', 384)], ends: ends('branch3x3_2') },
      { layers: [conv('branch3x3dbl_1', 448), conv('branch3x3dbl_2', 384, 3)], ends: ends('branch3x3dbl_3') },
      { pool, layers: [conv('branch_pool', 192)] },
    ],
  };
}

/** Names and shapes of the weights: 23.9 million numbers. */
export function inceptionShapes(): Shapes {
  const shapes: Shapes = new Map();
  let width = 3;
  for (const [name, layer] of [...STEM.first, ...STEM.second]) {
    layerShapes(shapes, name, width, layer);
    width = layer.out;
  }
  for (const block of BLOCKS) width = blockShapes(shapes, block, width);
  return shapes.set('fc.weight', [CLASSES, width]).set('fc.bias', [CLASSES]);
}

/** How images become the network's input; published numbers differ by it. */
export type InceptionInput = 'tensorflow' | 'pytorch';

/**
 * Images `[batch, height, width, 3]` of values 0 .. 255 as the network takes them: resized to 299 x 299, about -1 .. 1.
 * `tensorflow` (the original FID, the statistics of ADM, torch-fidelity, and so MAR's and the paper's numbers): bilinear with the corner of
 * a pixel as its place, (x - 128) / 128. `pytorch` (pytorch-fid): bilinear with the centre of a pixel, x / 127.5 - 1.
 */
export function inceptionInput(images: tf.Tensor4D, kind: InceptionInput = 'tensorflow'): tf.Tensor4D {
  return tf.tidy(() => {
    const resized = tf.image.resizeBilinear(images, [SIZE, SIZE], false, kind === 'pytorch');
    return kind === 'pytorch' ? resized.div(127.5).sub(1) : resized.sub(128).div(128);
  });
}

/**
 * Features `[batch, 2048]` (after the global average) and logits `[batch, 1008]` of network input `[batch, 299, 299, 3]`
 * (any side from 75 on works). The logits leave out the bias unless asked for: that is how the Inception score is defined in practice.
 */
export function inception(
  parameters: Parameters,
  input: tf.Tensor4D,
  { bias = false, onMap }: { bias?: boolean; onMap?: (name: string, map: tf.Tensor4D) => void } = {},
): { features: tf.Tensor2D; logits: tf.Tensor2D } {
  return tf.tidy(() => {
    const run = (from: tf.Tensor4D, [name, layer]: NamedLayer): tf.Tensor4D => {
      const map = convolutionLayer(parameters, name, from, layer);
      onMap?.(name, map);
      return map;
    };
    let x = STEM.first.reduce<tf.Tensor4D>(run, input);
    x = STEM.second.reduce<tf.Tensor4D>(run, tf.maxPool(x, 3, 2, 'valid'));
    x = tf.maxPool(x, 3, 2, 'valid');
    for (const block of BLOCKS) {
      x = runBlock(parameters, block, x);
      onMap?.(block.name, x);
    }
    const features = x.mean<tf.Tensor2D>([1, 2]);
    const logits = tf.matMul<tf.Tensor2D>(features, weight<tf.Tensor2D>(parameters, 'fc.weight'), false, true);
    return { features, logits: bias ? (logits.add(weight(parameters, 'fc.bias')) as tf.Tensor2D) : logits };
  });
}

/**
 * Checks that weights are those of this network, e.g. not torchvision's own, which have 1000 classes.
 * @throws InvalidInputError naming the first weight that is missing or of another shape.
 */
export function checkInceptionWeights(tensors: ReadonlyMap<string, { shape: readonly number[] }>): void {
  for (const [name, shape] of inceptionShapes()) {
    const found = tensors.get(name)?.shape;
    if (found?.join() === shape.join()) continue;
    throw new InvalidInputError('Weights of InceptionV3', {
      given: found ? `${name} of shape [${found}]` : `no ${name} among ${tensors.size} tensors`,
      expected: `shape [${shape}]`,
      remedy: `Use the weights for FID (${CLASSES} classes, ${WIDTH} features), as .pth or .safetensors.`,
    });
  }
}
