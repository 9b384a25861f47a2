// index — the door of gunport/testing: what tests of programs that use gunport need.

export { type Clock, FakeClock } from './clock.ts';
export {
  type AdapterContextOptions,
  adapterContext,
  type HandlerContextOptions,
  handlerContext,
  type TestAdapterContext,
  type TestHandlerContext,
} from './contexts.ts';
export { type Killable, type KillKind, type KillOptions, killThread, mortal } from './killing.ts';
export type { Expected } from './matching.ts';
export {
  type FaultKind,
  type FaultSchedule,
  type FaultsOptions,
  faults,
  type ScheduledFault,
} from './schedule.ts';
export { serve } from './server.ts';
export type {
  Outgoing,
  Patience,
  ReceivedMessage,
  RefuseOptions,
  Script,
  ScriptedServer,
  ServedConnection,
  ServeOptions,
  Step,
  UpgradeRequest,
} from './servertypes.ts';
export { type DeafTarget, deafTarget, type Refuser, refuseAdopt } from './targets.ts';
