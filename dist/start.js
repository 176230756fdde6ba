import { enableCompileCache } from 'node:module';
import { compileCache } from './compile-cache.js';
// V8 keeps what it compiled of the action from run to run: a tenth of the time that its start takes.
const directory = compileCache();
if (directory !== null)
    enableCompileCache(directory);
await import('./index.js');
