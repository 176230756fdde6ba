import { setInputs } from './inputs.ts';

setInputs(process.env);
await import(new URL('../../../dist/start.js', import.meta.url).href);
