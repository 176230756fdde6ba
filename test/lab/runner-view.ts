/**
 * Shows an action's output as the runner's log does: workflow commands become headings, errors and warnings; debug lines
 * and what stands behind a fold's end are not shown.
 */
export class RunnerView {
  readonly #write: (line: string) => void;
  #rest = '';
  #inGroup = false;

  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  /** Takes the next part of the output. */
  add(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#show(line);
  }

  #show(line: string): void {
    const command = /^::([a-z-]+)(?: title=([^:]*))?::(.*)$/.exec(line);
    const [, name, title, value = ''] = command ?? [];
    const message = value.replaceAll('%0A', '\n       ').replaceAll('%25', '%');
    switch (name) {
      case undefined:
        this.#write(`${this.#inGroup ? '    ' : ''}${line}`);
        break;
      case 'group':
        this.#inGroup = true;
        this.#write(`▼ ${message}`);
        break;
      case 'endgroup':
        this.#inGroup = false;
        break;
      case 'error':
      case 'warning':
      case 'notice':
        this.#write(`${name[0]?.toUpperCase()}${name.slice(1)}: ${title ? `${title}: ` : ''}${message}`);
        break;
    }
  }
}
