/** A line `::name key=value::message` that an action printed for the runner, unescaped. */
export interface WorkflowCommand {
  readonly name: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly message: string;
}

/**
 * The workflow commands in an action's output, as the runner reads them, the old form `##[name]` anywhere in a line
 * included; `stop-commands` is honoured.
 */
export function parseWorkflowCommands(output: string): WorkflowCommand[] {
  const commands: WorkflowCommand[] = [];
  let resumeToken: string | undefined;
  for (const line of output.split(/\r\n?|\n/)) {
    const match =
      /^\s*::([A-Za-z-]+|[^:\s]+)(?: ([^:]*(?:%3A[^:]*)*))?::(.*)$/.exec(line) ??
      /##\[([A-Za-z-]+)(?: ([^\]]*))?\](.*)$/.exec(line);
    if (!match) continue;
    const [, name = '', properties = '', message = ''] = match;
    if (resumeToken !== undefined) {
      if (name === resumeToken) resumeToken = undefined;
      continue;
    }
    if (name === 'stop-commands') resumeToken = message;
    commands.push({ name, properties: parseProperties(properties), message: unescapeData(message) });
  }
  return commands;
}

function parseProperties(text: string): Record<string, string> {
  const properties: Record<string, string> = {};
  for (const part of text.split(',')) {
    const at = part.indexOf('=');
    if (at > 0) {
      const value = unescapeData(
        part
          .slice(at + 1)
          .replaceAll('%3A', ':')
          .replaceAll('%2C', ','),
      );
      properties[part.slice(0, at).trim()] = value;
    }
  }
  return properties;
}

function unescapeData(text: string): string {
  return text.replaceAll('%0D', '\r').replaceAll('%0A', '\n').replaceAll('%25', '%');
}

/** Reads a GITHUB_OUTPUT, GITHUB_STATE or GITHUB_ENV file: `name=value` lines and `name<<DELIMITER` blocks. */
export function parseEnvironmentFile(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  const lines = text.split('\n');
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? '';
    if (line === '') continue;
    const heredoc = /^([^=]*?)<<(.+)$/.exec(line);
    if (heredoc?.[1] && heredoc[2]) {
      const value: string[] = [];
      for (index++; lines[index] !== heredoc[2]; index++) {
        const next = lines[index];
        if (next === undefined) throw new Error(`Invalid file: no line ${heredoc[2]} ends the value of ${heredoc[1]}.`);
        value.push(next);
      }
      values[heredoc[1]] = value.join('\n');
      continue;
    }
    const at = line.indexOf('=');
    if (at < 1) throw new Error(`Invalid format '${line}': the runner would refuse this file.`);
    values[line.slice(0, at)] = line.slice(at + 1);
  }
  return values;
}
