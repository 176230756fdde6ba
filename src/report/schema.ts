import * as z from 'zod/mini';
import { HostFacts } from '../facts/facts.ts';
import { ContainerPlan } from '../plan/actions.ts';
import { documentHead } from '../system/document.ts';

/** The format of report.json, for those who read it; nothing of this action does, so it isn't in the bundle. */
const seconds = z.number().check(z.nonnegative());
const Failure = z.object({
  /** Listed in docs/troubleshooting.md. */
  code: z.string(),
  seen: z.string(),
  remedy: z.string(),
  details: z.optional(z.string()),
});
const Software = z.object({ driver: z.string(), toolkits: z.array(z.string()) });

export const Report = z.object({
  ...documentHead('report'),
  mode: z.nullable(z.string()),
  status: z.enum(['converged', 'changed', 'planned', 'observed', 'failed']),
  host: z.nullable(HostFacts),
  cudaVersion: z.nullable(z.string()),
  planDigest: z.nullable(z.string()),
  containers: z.array(
    z.object({
      ctid: z.number(),
      hostname: z.nullable(z.string()),
      status: z.enum(['converged', 'changed', 'planned', 'observed', 'drifted', 'failed', 'aborted']),
      before: z.nullable(Software),
      after: z.nullable(Software),
      plan: z.nullable(ContainerPlan),
      rolledBack: z.boolean(),
      /** The driver's files, obtained before the first change. */
      obtained: z.nullable(z.object({ seconds, failed: z.boolean() })),
      actions: z.array(
        z.object({
          action: z.looseObject({ kind: z.string(), reason: z.string() }),
          status: z.enum(['done', 'failed', 'not-started']),
          seconds,
        }),
      ),
      verifications: z.array(
        z.object({
          level: z.string(),
          title: z.string(),
          status: z.enum(['pass', 'fail', 'inconclusive', 'skipped']),
          seen: z.string(),
        }),
      ),
      findings: z.array(z.object({ code: z.string(), message: z.string() })),
      gpus: z.array(
        z.object({
          index: z.number(),
          uuid: z.string(),
          name: z.string(),
          driverVersion: z.string(),
          bus: z.string(),
          memory: z.string(),
        }),
      ),
      nvidiaSmi: z.string(),
      nvcc: z.string(),
      failure: z.nullable(Failure),
      seconds,
    }),
  ),
  /** What isn't as it should be with the host, though nothing failed. */
  findings: z.array(z.object({ code: z.string(), message: z.string() })),
  failure: z.nullable(Failure),
  seconds,
});
