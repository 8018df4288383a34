import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { type Command, type Parts, partsOf } from './front-end';
import type { LiveServer } from './server';

/** An open notebook in a browser, as its reader uses it. */
export class NotebookPage {
  private constructor(
    readonly page: Page,
    private readonly context: BrowserContext,
    readonly parts: Parts,
    private readonly server: LiveServer,
    private readonly url: string,
    /** Every address that the page asked for, WebSockets too. */
    readonly requests: string[],
  ) {}

  /** Opens the notebook at `url` and waits until its kernel is ready. */
  static async open(browser: Browser, server: LiveServer, url: string): Promise<NotebookPage> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    context.setDefaultTimeout(180_000); // of a machine with other work
    const page = await context.newPage();
    const requests: string[] = [];
    page.on('request', (request) => requests.push(request.url()));
    page.on('websocket', (socket) => requests.push(socket.url()));
    const opened = new NotebookPage(page, context, partsOf(server.frontEnd), server, url, requests);
    await page.goto(url);
    await opened.ready();
    return opened;
  }

  /** Requests to anywhere but this machine. */
  get leaving(): string[] {
    return this.requests.filter((url) => !/^(about|data|blob):|^(https?|wss?):\/\/127\.0\.0\.1:\d+\//.test(url));
  }

  cell(number: number): Locator {
    return this.page.locator(this.parts.codeCell).nth(number);
  }

  outputs(number: number): Locator {
    return this.cell(number).locator(this.parts.output);
  }

  errors(number: number): Locator {
    return this.cell(number).locator(this.parts.error);
  }

  /** Chooses a command from the front end's menus. */
  async choose(command: Command): Promise<void> {
    const [menu, item] = this.parts.menus[command];
    if (this.server.frontEnd === 'classic') {
      await this.page.locator(menu).click();
      await this.page.locator(item).click();
    } else {
      await this.page.getByRole('menubar').getByRole('menuitem', { name: menu, exact: true }).click();
      await this.page.locator('.lm-Menu-item').getByText(item, { exact: true }).click(); // its role's name has the keys too
    }
  }

  /** Restarts the kernel, says yes to the question, and waits for the new one. */
  async restart(): Promise<void> {
    await this.choose('restart');
    await this.page.locator(this.parts.yes).click();
    await this.page.locator(this.parts.yes).waitFor({ state: 'hidden' });
    await this.ready();
  }

  /**
   * Starts cell `number` (from 0) with Shift-Enter and returns at once. It waits before, as a reader does: for a moment
   * after an error the kernel drops what comes in, for that was sent before anybody saw the error.
   */
  async start(number: number): Promise<void> {
    await this.page.waitForTimeout(400);
    await this.cell(number).locator(this.parts.editor).click();
    await this.page.keyboard.press('Shift+Enter');
  }

  /** Runs cell `number` to its end. */
  async run(number: number): Promise<void> {
    const before = await this.prompt(number);
    await this.start(number);
    await this.until(async () => {
      const now = await this.prompt(number);
      return /\d/.test(now) && now !== before;
    }, `cell ${number} to end`);
  }

  /** Runs all cells and waits for the last one, or for the first error. */
  async runAll(seconds: number): Promise<void> {
    await this.choose('run all');
    const { codeCell, prompt, error } = this.parts;
    await this.page.waitForFunction(
      ({ codeCell, prompt, error }) => {
        const cells = Array.from(document.querySelectorAll(codeCell));
        if (cells.some((cell) => cell.querySelector(error))) return true;
        return /\d/.test(cells.at(-1)?.querySelector(prompt)?.textContent ?? '');
      },
      { codeCell, prompt, error },
      { timeout: seconds * 1000, polling: 200 },
    );
  }

  /** Whether cell `number` runs. */
  async runs(number: number): Promise<boolean> {
    return (await this.prompt(number)).includes('*');
  }

  /** Closes the page and ends its kernel. */
  async close(): Promise<void> {
    await this.context.close();
    await this.server.endKernel(this.url);
  }

  /** Waits for `condition`, at most three minutes. */
  async until(condition: () => Promise<boolean>, what: string): Promise<void> {
    for (const end = Date.now() + 180_000; !(await condition()); await this.page.waitForTimeout(30)) {
      if (Date.now() > end) throw new Error(`Waited three minutes for ${what}`);
    }
  }

  /** Waits until both the page and the server say so; the page alone does so too before there is a kernel. */
  private async ready(): Promise<void> {
    await this.until(() => this.server.isIdle(this.url), 'the kernel');
    await this.page.locator(this.parts.ready).first().waitFor();
  }

  private async prompt(number: number): Promise<string> {
    return (await this.cell(number).locator(this.parts.prompt).textContent()) ?? '';
  }
}
