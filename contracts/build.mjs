// Compiles the contracts with the pinned compiler into compiled/, which is checked in.
// `--check` compares instead of writing, and fails on any difference.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { runTolkCompiler, getTolkCompilerVersion } from '@ton/tolk-js'
import { CONTRACTS, entryOf, fileOf, read } from './sources.mjs'

const check = process.argv.includes('--check')
const here = new URL('.', import.meta.url)
let different = 0

for (const name of CONTRACTS) {
  const result = await runTolkCompiler({
    entrypointFileName: entryOf(name),
    fsReadCallback: (path) => read(fileOf(name, path)),
  })
  if (result.status === 'error') {
    console.error(`${name}: ${result.message}`)
    process.exit(1)
  }
  const compiler = await getTolkCompilerVersion()
  const text = `${JSON.stringify(
    { compiler: `tolk ${compiler}`, hash: result.codeHashHex.toLowerCase(), code: result.codeBoc64 },
    null,
    2,
  )}\n`
  const target = new URL(`compiled/${name}.json`, here)
  const same = existsSync(target) && readFileSync(target, 'utf8') === text
  if (!check) writeFileSync(target, text)
  else if (!same) different += 1
  const bytes = Buffer.from(result.codeBoc64, 'base64').length
  console.log(`${name}: ${bytes} bytes, hash ${result.codeHashHex.toLowerCase()}${check && !same ? ' DIFFERS from compiled/' : ''}`)
}
process.exit(different === 0 ? 0 : 1)
