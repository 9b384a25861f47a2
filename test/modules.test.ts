import { expect } from 'chai';
import { OptionError } from '../lib/errors.ts';
import { load } from '../lib/modules.ts';

const moduleOf = (source: string) => `data:text/javascript,${encodeURIComponent(source)}`;

async function failure(module: string, name?: string): Promise<OptionError> {
  try {
    await load({ module, export: name });
  } catch (error) {
    expect(error).to.be.instanceOf(OptionError).and.include({ code: 'ERR_GUNPORT_OPTION' });
    return error as OptionError;
  }
  throw new Error('it was loaded');
}

describe('modules', () => {
  it('loads the default export, or the one that is named', async () => {
    const module = moduleOf('export default (a) => a + 1; export const twice = (a) => 2 * a;');
    expect((await load({ module }))(1)).to.equal(2);
    expect((await load({ module: new URL(module), export: 'twice' }))(4)).to.equal(8);
  });

  it('evaluates a module once per thread', async () => {
    const module = moduleOf(
      'globalThis.gunportLoads = (globalThis.gunportLoads ?? 0) + 1; export default () => globalThis.gunportLoads;',
    );
    await load({ module });
    expect((await load({ module }))()).to.equal(1);
    delete (globalThis as { gunportLoads?: number }).gunportLoads;
  });

  it('says what cannot be loaded, with the error as cause', async () => {
    const missing = await failure('file:///nonexistent/hooks.js');
    expect(missing.message).to.match(/^module "file:\/\/\/nonexistent\/hooks.js" cannot be loaded: /);
    expect(missing.cause).to.include({ code: 'ERR_MODULE_NOT_FOUND' });
    const throwing = await failure(moduleOf('throw new RangeError("not today")'));
    expect(throwing.message).to.match(/cannot be loaded: not today$/);
    expect((await failure(moduleOf('throw undefined'))).message).to.match(/cannot be loaded: undefined$/);
    expect((await failure(moduleOf('this is not JavaScript'))).cause).to.be.instanceOf(SyntaxError);
  });

  it('says which function is missing', async () => {
    const module = moduleOf('export default 7; export const a = {};');
    expect((await failure(module)).message).to.match(/ must export a function as default, got 7$/);
    expect((await failure(module, 'a')).message).to.match(
      / must export a function as a, got an object of class Object$/,
    );
    expect((await failure(module, 'b')).message).to.match(/ must export a function as b, got undefined$/);
    expect((await failure(module, 'toString')).message).to.match(
      / must export a function as toString, got undefined$/,
    );
  });
});
