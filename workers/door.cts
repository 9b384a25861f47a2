// door — the file that piscina loads in a thread; it lets the host in by import().
// Named by lib/spawn.ts; CommonJS, since piscina takes a module with require(), and require() of an ES module is cut
// off badly: a thread that is terminated while Node links one that way takes the whole process with it
// ("v8::Module::IsGraphAsync must be used on an instantiated module", Node 20.20). An import() is dropped.

module.exports = async (boot: unknown): Promise<void> => {
  const { default: host } = await import('./host.ts');
  // A Boot: lib/spawn.ts posts nothing else.
  host(boot as Parameters<typeof host>[0]);
};
