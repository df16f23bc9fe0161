// Loaded before any other module (`node --require=./compile-cache.cjs`), in JavaScript that an old Node
// reads too. A Node that cannot run TypeScript ends here with one line.
const wanted = 24
if (Number.parseInt(process.versions.node, 10) < wanted) {
  console.error(
    `anime-api wants Node ${wanted} or newer, and this is ${process.versions.node}: ` +
      'npm install brings one (unless with --omit=optional), and npm start and npm run use it',
  )
  process.exit(1)
}

// A start then finds types stripped and scripts compiled, and does not load the stripper, which alone takes
// 15 MiB. Where the folder cannot be written, a start takes longer and works the same.
const { enableCompileCache } = require('node:module')
const { join } = require('node:path')

enableCompileCache(join(__dirname, 'node_modules/.cache/compiled'))
