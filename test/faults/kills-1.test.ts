import { killTests } from './kill-tests.ts';

killTests(1, 100);
