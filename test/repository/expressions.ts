/** GitHub's own evaluator of `${{ … }}`, with what a job knows as contexts. */
import { data, Evaluator, Lexer, Parser } from '@actions/expressions';

export type Contexts = Record<string, unknown>;
/** How the work before went; decides `success()` and its like. */
export type Outcome = 'success' | 'failure' | 'cancelled' | 'skipped';

function evaluate(expression: string, contexts: Contexts, outcome: Outcome): data.ExpressionData {
  const status = (name: string, value: boolean) => ({
    name,
    minArgs: 0,
    maxArgs: 0,
    call: () => new data.BooleanData(value),
  });
  const functions = [
    status('success', outcome === 'success'),
    status('failure', outcome === 'failure'),
    status('cancelled', outcome === 'cancelled'),
    status('always', true),
  ];
  const { tokens } = new Lexer(expression).lex();
  const tree = new Parser(tokens, Object.keys(contexts), functions).parse();
  const context = JSON.parse(JSON.stringify(contexts), data.reviver) as data.Dictionary;
  return new Evaluator(tree, context, new Map(functions.map((one) => [one.name, one]))).evaluate();
}

/** The value of a text with expressions in it, as the runner hands it on: text. */
export function fill(value: unknown, contexts: Contexts): string {
  return String(value).replace(/\$\{\{(.*?)\}\}/gs, (_, expression) =>
    evaluate(expression, contexts, 'success').coerceString(),
  );
}

/** The value of a text that is one expression, as data. */
export function value(expression: unknown, contexts: Contexts): unknown {
  const inner = /^\$\{\{(.*)\}\}$/s.exec(String(expression))?.[1];
  if (inner === undefined) throw new Error(`${expression} is not one expression`);
  return JSON.parse(fill(`\${{ toJSON(${inner}) }}`, contexts));
}

/** @param expression of an `if:`, as GitHub's parser completes it: with `success() &&` where no status is asked for */
export function holds(expression: string, contexts: Contexts, outcome: Outcome): boolean {
  const value = evaluate(expression, contexts, outcome);
  return value.coerceString() !== '' && value.coerceString() !== 'false' && value.coerceString() !== '0';
}
