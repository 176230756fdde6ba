import * as z from 'zod/mini';
import { documentHead, parseDocument } from '../system/document.ts';
import { ContainerPlan } from './actions.ts';

/** A plan as a file: what people approve. */
export const Plan = z.object({
  ...documentHead('plan'),
  /** ISO 8601. */
  createdAt: z.iso.datetime(),
  /** ISO 8601; it can't be applied afterwards. */
  expiresAt: z.iso.datetime(),
  /** `sha256:…` of its identity (src/plan/identity.ts). */
  digest: z.string().check(z.regex(/^sha256:[0-9a-f]{64}$/)),
  host: z.object({
    node: z.string(),
    architecture: z.string(),
    /** The loaded kernel module's version. */
    driver: z.string(),
  }),
  /** What was asked for. */
  wish: z.object({
    /** `12.8`, or null for none. */
    cuda: z.nullable(z.string()),
    /** Names without version: `cuda-toolkit`. */
    cudaPackages: z.array(z.string()),
    nvidiaContainer: z.string(),
    verify: z.string(),
    rollback: z.string(),
  }),
  containers: z.array(ContainerPlan),
});
export type Plan = z.infer<typeof Plan>;

/** @throws ActionError PLAN_INVALID, PLAN_SCHEMA_UNSUPPORTED */
export function parsePlan(text: string, source: string): Plan {
  return parseDocument(text, 'plan', Plan, source, {
    invalid: 'PLAN_INVALID',
    unsupported: 'PLAN_SCHEMA_UNSUPPORTED',
    remedy: 'Make a new plan with "mode: plan" and have it approved.',
  });
}
