import './engine/kernel-files';

export * from './core';
