/** What a notebook's cells call; everything works outside a notebook too, as text. */
export { note } from './note';
export { parameters } from './parameters';
export { type Progress, progress } from './progress';
export { type Findings, record, type SummaryRow, type SummaryVerdict } from './record';
export { show } from './show';
export { type TableOptions, table } from './table';
