export { applyRows } from './apply';
export { costBlock, costBlockWide, finishRows } from './build';
export { logColumnStep, logPass } from './log-domain';
export { columnStep, scalingPass, symmetricPass } from './scaling';
export { streamSum } from './bandwidth';
