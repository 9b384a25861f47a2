// aborts — callbacks on AbortSignals, many on one: Node warns of a leak where a signal has more than ten listeners.
// Used by everything that takes a signal. Invariant: one listener a signal, gone with the last callback.
// Source: WHATWG DOM §3.2; Node's MaxListenersExceededWarning.

// Per thread, as signals are.
const callbacks = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls back once the signal is aborted. Returns how to stop that. @internal */
export function whenAborted(signal: AbortSignal, callback: () => void): () => void {
  const known = callbacks.get(signal);
  const set = known ?? new Set();
  if (!known) {
    callbacks.set(signal, set);
    signal.addEventListener('abort', heard);
  }
  set.add(callback);
  return () => {
    set.delete(callback);
    if (set.size > 0 || callbacks.get(signal) !== set) return;
    callbacks.delete(signal);
    signal.removeEventListener('abort', heard);
  };
}

function heard(this: AbortSignal): void {
  const set = callbacks.get(this);
  callbacks.delete(this);
  this.removeEventListener('abort', heard);
  for (const callback of set ?? []) callback();
}
