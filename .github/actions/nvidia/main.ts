import { setInputs } from './inputs.ts';

setInputs(process.env);
await import(new URL('../../../dist/index.js', import.meta.url).href);
