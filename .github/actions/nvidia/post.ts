import { setInputs } from './inputs.ts';

setInputs(process.env);
await import(new URL('../../../dist/post/index.js', import.meta.url).href);
