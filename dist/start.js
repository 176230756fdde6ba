import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
// V8 keeps what it compiled of the action from run to run. Beside the tools: RUNNER_TEMP is emptied with every job, and in
// Node's own choice below /tmp any user of the host could leave code for this one to run.
const tools = process.env['RUNNER_TOOL_CACHE'];
if (tools)
    enableCompileCache(join(tools, 'proxmox-lxc-nvidia-compiled'));
await import('./index.js');
