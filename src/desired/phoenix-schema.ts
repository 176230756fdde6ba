import * as z from 'zod/mini';

/** A key may be missing: whether that is an error depends on what the inputs already say. Unknown keys are left alone. */
const text = z.optional(z.nullable(z.string()));

/** The part of Phoenix Hypervisor's `phoenix_lxc_configs.json` that this action reads. */
export const LxcConfig = z.looseObject({
  nvidia_driver_version: text,
  nvidia_runfile_url: text,
  lxc_configs: z.optional(
    z.record(
      z.string(),
      z.looseObject({
        gpu_assignment: z.optional(z.string()),
        features: z.optional(z.array(z.string())),
      }),
    ),
  ),
});

/** The part of `phoenix_hypervisor_config.json` that this action reads. */
export const HypervisorConfig = z.looseObject({
  nvidia_driver: z.optional(z.looseObject({ version: text, runfile_url: text, cuda_version: text })),
});
