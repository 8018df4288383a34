import './kernel-files';

export * from './core';
