import * as tf from '@tensorflow/tfjs';
import { patchify, unpatchify } from '../models/blocks/patchify';
import {
  decode,
  encode,
  type Posterior,
  posteriorKl,
  posteriorNll,
  posteriorOf,
  samplePosterior,
  type VaeConfig,
} from '../models/vae/vae';
import { type Comparison, TOLERANCE } from './comparison';
import { channelsFirst, channelsLast, type ReferenceCase } from './reference';
import type { Runner } from './runner';

interface VaeCaseConfig {
  embed_dim: number;
  ch: number;
  ch_mult: number[];
  num_res_blocks: number;
  resolution: number;
  attn_resolutions_encoder: number[];
  attn_resolutions_decoder: number[];
  z_channels: number;
  in_channels: number;
  group_norm?: { groups: number };
}

/** A configuration from the reference's names. */
export function vaeConfigOf(given: ReferenceCase): VaeConfig {
  const config = given.part<VaeCaseConfig>('config');
  return {
    imageChannels: config.in_channels,
    width: config.ch,
    multipliers: config.ch_mult,
    blocks: config.num_res_blocks,
    resolution: config.resolution,
    encoderAttention: config.attn_resolutions_encoder,
    decoderAttention: config.attn_resolutions_decoder,
    bottleneck: config.z_channels,
    latentChannels: config.embed_dim,
    groups: config.group_norm?.groups,
    latentScale: 0.2325,
  };
}

/** The KL autoencoder. */
export const vaeCases: Runner = {
  family: 'vae',
  matches: (given) => given.has('image') && given.has('decoded'),
  run: (given, compare) => {
    const config = vaeConfigOf(given);
    const parameters = given.weights();
    const check = (name: string, value: tf.Tensor) => {
      if (!given.has(name)) return;
      const expected = given.tensor(name);
      const layout = value.rank === 4 ? channelsFirst(value) : value;
      // Some intermediates are stored for the first image only.
      compare.largest(name, layout.slice(0, expected.shape[0]), expected, TOLERANCE.forward);
    };
    const lastBlock = new RegExp(`^decoder\\.(up\\.\\d+)\\.block\\.${config.blocks}$`);
    tf.tidy(() => {
      const z = channelsLast(given.tensor('z'));
      const posterior = encode(parameters, config, channelsLast(given.tensor('image')), (name, value) => {
        check(name === 'encoder' ? 'enc.out' : name.replace(/^encoder/, 'enc'), value);
      });
      comparePosterior(check, '', posterior);
      check('nll_of_noise', posteriorNll(posterior, z));
      check('sample', samplePosterior(posterior, z));
      check('recon_of_mean', decode(parameters, config, posterior.mean));
      const decoded = decode(parameters, config, z, (name, value) => {
        check(
          name
            .replace(lastBlock, 'dec.$1.block_last')
            .replace(/^decoder/, 'dec')
            .replace('post_quant_conv', 'dec.post_quant'),
          value,
        );
      });
      check('decoded', decoded);
      if (given.has('clamp.moments')) {
        comparePosterior(check, 'clamp.', posteriorOf(channelsLast(given.tensor('clamp.moments'))));
      }
    });
  },
};

function comparePosterior(check: (name: string, value: tf.Tensor) => void, prefix: string, posterior: Posterior): void {
  check(`${prefix}mean`, posterior.mean);
  check(`${prefix}logvar`, posterior.logVariance);
  check(`${prefix}std`, posterior.logVariance.mul(0.5).exp());
  check(`${prefix}kl`, posteriorKl(posterior));
}

/** Latents to tokens and back. */
export const patchifyCases: Runner = {
  family: 'patchify',
  matches: (given) => given.has('x') && given.has('tokens') && given.tensors.size === 2,
  run: (given, compare) => tf.tidy(() => comparePatches(given, compare)),
};

function comparePatches(given: ReferenceCase, compare: Comparison): void {
  const latents = channelsLast(given.tensor('x'));
  const tokens = given.tensor<tf.Tensor3D>('tokens');
  const patch = Math.round(Math.sqrt(tokens.shape[2] / latents.shape[3]));
  compare.largest('tokens', patchify(latents, patch), tokens, TOLERANCE.exact);
  compare.largest('x (from tokens)', unpatchify(tokens, patch), latents, TOLERANCE.exact);
}
