import type { FrontEnd } from './server';

/** Where a front end has what the tests look at, as CSS selectors, and what a reader clicks. */
export interface Parts {
  codeCell: string;
  /** `[ ]:`, `[*]:` or `[7]:` beside a code cell. */
  prompt: string;
  /** Where the reader types in a cell. */
  editor: string;
  /** Each output below a cell. */
  output: string;
  /** An output that is an error. */
  error: string;
  /** What shows that the notebook is open and its kernel ready. */
  ready: string;
  /** The button that says yes to a question. */
  yes: string;
  menus: Record<Command, [menu: string, item: string]>;
}

export type Command = 'run all' | 'interrupt' | 'restart' | 'save';

const MODERN: Parts = {
  codeCell: '.jp-Notebook .jp-CodeCell',
  prompt: '.jp-InputPrompt',
  editor: '.jp-InputArea-editor',
  output: '.jp-OutputArea-output',
  error: '[data-mime-type="application/vnd.jupyter.error"], [data-mime-type="application/vnd.jupyter.stderr"]',
  ready: '.jp-Notebook-ExecutionIndicator[data-status="idle"]',
  yes: '.jp-Dialog .jp-mod-accept',
  menus: {
    'run all': ['Run', 'Run All Cells'],
    interrupt: ['Kernel', 'Interrupt Kernel'],
    restart: ['Kernel', 'Restart Kernel…'],
    save: ['File', 'Save Notebook'],
  },
};

const CLASSIC: Parts = {
  codeCell: '.code_cell',
  prompt: '.input_prompt',
  editor: '.input_area',
  output: '.output_area',
  error: '.output_error, .output_stderr',
  ready: '#kernel_indicator_icon.kernel_idle_icon',
  yes: '.modal-dialog .btn-danger',
  menus: {
    'run all': ['#celllink', '#run_all_cells a'],
    interrupt: ['#kernellink', '#int_kernel a'],
    restart: ['#kernellink', '#restart_kernel a'],
    save: ['#filelink', '#save_checkpoint a'],
  },
};

export function partsOf(frontEnd: FrontEnd): Parts {
  return frontEnd === 'classic' ? CLASSIC : MODERN;
}
