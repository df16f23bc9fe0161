// Loaded before any other module (`node --require=./compile-cache.cjs`): a start then finds types stripped
// and scripts compiled, and does not load the stripper, which alone takes 15 MiB. It is JavaScript for
// that reason. Where the folder cannot be written, a start takes longer and works the same.
const { enableCompileCache } = require('node:module')
const { join } = require('node:path')

enableCompileCache(join(__dirname, 'node_modules/.cache/compiled'))
