import { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } from '@actions/workflow-parser';
import { text } from './workflow-files.ts';

export interface Conditions {
  job: string;
  steps: string[];
}

/** The `if:` of every job and step, as GitHub's parser completes them. */
export async function readConditions(path: string): Promise<Record<string, Conditions>> {
  const trace = new NoOperationTraceWriter();
  const { context, value: parsed } = parseWorkflow({ name: path, content: await text(path) }, trace);
  if (parsed === undefined) throw new Error(`${path} can't be parsed`);
  const template = await convertWorkflowTemplate(context, parsed);
  const conditions: Record<string, Conditions> = {};
  for (const job of template.jobs) {
    if (job.type !== 'job') continue;
    const steps = job.steps.map((step) => step.if?.expression ?? 'success()');
    conditions[job.id.value] = { job: job.if?.expression ?? 'success()', steps };
  }
  return conditions;
}
