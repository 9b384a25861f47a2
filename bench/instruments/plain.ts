// plain — ws as `npm install ws` gives it: without the native addons that another peer brings along.
// Imported first by run.ts, before anything loads ws; threads and processes that are started later inherit it.

process.env['WS_NO_BUFFER_UTIL'] = '1';
process.env['WS_NO_UTF_8_VALIDATE'] = '1';
