import type { Action, ContainerPlan } from '../plan/actions.ts';
import { actionTitle } from '../plan/actions.ts';
import { installPackages, removePackages } from './apt.ts';
import { configureApt } from './configure-apt.ts';
import type { ApplyContext } from './context.ts';
import { installDriver } from './install-driver.ts';
import { configurePassthrough } from './passthrough.ts';
import { restart } from './restart.ts';

/** How one action of a plan went. */
export interface ActionRecord {
  action: Action;
  status: 'done' | 'failed' | 'not-started';
  /** When it began, in seconds since this process did; null: it didn't. */
  startedAt: number | null;
  seconds: number;
}

/**
 * Carries out a plan in its order; after a failure nothing more is started.
 *
 * @param records gets each action's state as it changes, so that a report after a failure is complete
 * @param beforeStep is awaited before an action's first side effect
 * @throws what the failing action threw
 */
export async function applyPlan(
  plan: ContainerPlan,
  context: ApplyContext,
  records: ActionRecord[],
  beforeStep: (step: string) => Promise<void>,
): Promise<void> {
  records.push(
    ...plan.actions.map((action) => ({ action, status: 'not-started' as const, startedAt: null, seconds: 0 })),
  );
  for (const record of records) {
    const started = performance.now();
    record.startedAt = started / 1000;
    try {
      await context.log.group(`Container ${context.ctid}: ${actionTitle(record.action)}`, async () => {
        context.log.info(`Why: ${record.action.reason}`);
        await beforeStep(actionTitle(record.action));
        await applyAction(record.action, context);
      });
      record.status = 'done';
    } catch (error) {
      record.status = 'failed';
      throw error;
    } finally {
      record.seconds = (performance.now() - started) / 1000;
    }
  }
}

function applyAction(action: Action, context: ApplyContext): Promise<void> {
  switch (action.kind) {
    case 'configure-apt':
      return configureApt(context, action);
    case 'remove-packages':
      return removePackages(context, action.packages);
    case 'install-packages':
      return installPackages(context, action.packages, action.update);
    case 'install-driver':
      return installDriver(context, action);
    case 'configure-passthrough':
      return configurePassthrough(context, action);
    case 'restart':
      return restart(context);
  }
}
