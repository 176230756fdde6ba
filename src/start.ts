import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';

// Buffers of a download are freed when V8's young generation is collected. A large one is collected so rarely that some
// 60 MB of them pile up; it starts with 1 MB and may stay there. To be said before much is loaded.
setFlagsFromString('--scavenger-max-new-space-capacity-mb=1');

// V8 keeps what it compiled of the action from run to run. Beside the tools: RUNNER_TEMP is emptied with every job, and in
// Node's own choice below /tmp any user of the host could leave code for this one to run.
const tools = process.env['RUNNER_TOOL_CACHE'];
if (tools) enableCompileCache(join(tools, 'proxmox-lxc-nvidia-compiled'));

await import('./index.ts');
