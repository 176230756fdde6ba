import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // The counts that .ci/run closes with.
    reporters: ['default', ['json', { outputFile: 'test-results/results.json' }]],
    projects: [
      // Groups run one after the other: what is quick to fail comes first.
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          maxWorkers: 4,
          // A loaded machine is no failure.
          testTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      // The repository itself: dist/ is what src/ builds, action.yml says what the code reads and writes.
      {
        test: {
          name: 'repository',
          include: ['test/repository/**/*.test.ts'],
          testTimeout: 120_000,
          setupFiles: 'test/repository/json-imports.ts',
          sequence: { groupOrder: 1 },
        },
      },
      // The job summary in a real browser, as GitHub shows it.
      {
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: 'test/e2e/setup.ts',
          sequence: { groupOrder: 2 },
          testTimeout: 300_000,
          hookTimeout: 600_000,
          // Each file works with containers of its own; two cores don't carry more at once.
          maxWorkers: 2,
        },
      },
      // The whole fault matrix and the kill loop: `npm run test:faults`. A sample of both is part of e2e.
      {
        test: {
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          globalSetup: 'test/e2e/setup.ts',
          sequence: { groupOrder: 2 },
          testTimeout: 300_000,
          hookTimeout: 600_000,
          maxWorkers: 2,
        },
      },
    ],
  },
});
