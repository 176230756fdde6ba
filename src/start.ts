import { enableCompileCache } from 'node:module';
import { compileCache } from './compile-cache.ts';

// V8 keeps what it compiled of the action from run to run: a tenth of the time that its start takes.
const directory = compileCache();
if (directory !== null) enableCompileCache(directory);

// A file of its own, compiled when the cache is on.
void import(/* webpackIgnore: true */ './index.ts');
