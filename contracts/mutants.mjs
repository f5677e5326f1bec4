// Checks the tests: breaks the contracts in one place at a time and sees whether a test fails.
//
//   cargo test -p fog-contracts --test contracts --no-run     (prints the test program's path)
//   node mutants.mjs <test program> [only mutants whose name contains this]
//
// Every `assert` of every contract is dropped once, every part of a compound one once, and the
// changes listed below are made. The mutant's code is put into a copy of the test program in place
// of the compiled code it contains, so that nothing in the tree changes and nothing is recompiled.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runTolkCompiler } from '@ton/tolk-js'

const CONTRACTS = ['market', 'task', 'stake']
const here = new URL('.', import.meta.url)
const read = (path) => readFileSync(new URL(`tolk/${path}`, here), 'utf8')
const [program, only = ''] = process.argv.slice(2)
if (!program) throw new Error('usage: node mutants.mjs <test program> [part of a name]')

// [file, what stands there, what is put there]
const CHANGES = [
  ['task/bounces.tolk', '(storage.status == TaskStatus.Registering) & ', ''],
  ['task/bounces.tolk', ' & (in.senderAddress == init.market)', ''],
  ['task/bounces.tolk', 'if (storage.status == TaskStatus.Reserving) {', 'if (true) {'],
  ['task/bounces.tolk', '(in.senderAddress == work.stake) & ', ''],
  ['task/bounces.tolk', ' & (msg.queryId == work.queryId)', ''],
  ['task/bounces.tolk', '(storage.status == TaskStatus.Settling) & ', ''],
  ['task/bounces.tolk', ' & isStake(storage, in.senderAddress)', ''],
  ['task/bounces.tolk', 'storage.escrowed += pay(storage, storage.work!.load());', ''],
  ['task/bounces.tolk', 'if (isStake(storage, in.senderAddress)) {', 'if (true) {'],
  ['task/bounces.tolk', '(storage.status == TaskStatus.Releasing) & ', ''],
  ['task/ending.tolk', 'contract.setCodePostponed(tombCode());', ''],
  ['task/ending.tolk', 'min(amount / 2, work.price + terms.damages)', 'amount / 2'],
  ['task/ending.tolk', 'max(value - msg.share - gas(GAS_CLOSE), NOTIFY_VALUE)', 'value'],
  ['task/ending.tolk', 'TaskStatus.Accepted => LAST_EXIT', 'TaskStatus.Accepted => 0'],
  ['task/ending.tolk', 'TaskStatus.Reserving => PATIENCE', 'TaskStatus.Reserving => 0'],
  ['task/ending.tolk', 'value: pay(storage, work)', 'value: work.price'],
  ['task/ending.tolk', 'const LATE_PENALTY_BPS = 100', 'const LATE_PENALTY_BPS = 101'],
  ['task/verdict.tolk', 'storage.escrowed -= amount;', ''],
  ['task/verdict.tolk', 'min(work.reserve / 2, work.price + terms.damages)', 'work.reserve / 2'],
  ['task/verdict.tolk', 'commitment: facts.commitment,', 'commitment: 0,'],
  ['task/verdict.tolk', 'storage.deadline = now + init.terms.load().window;', 'storage.deadline = now;'],
  ['stake/stake.tolk', 'self.reservations.deleteAndGetDeleted(key)', 'self.reservations.get(key)'],
  ['stake/stake.tolk', 'self.count -= 1;', ''],
  ['stake/stake.tolk', 'self.reserved -= amount;', ''],
  ['stake/stake.tolk', 'storage.reserved += msg.amount;', ''],
  ['stake/stake.tolk', 'storage.count += 1;', ''],
  ['stake/stake.tolk', 'if (found.loadValue().queryId == msg.queryId) {', 'if (true) {'],
  ['stake/stake.tolk', 'storage.stake - storage.reserved - storage.unbonding', 'storage.stake - storage.unbonding'],
  ['stake/stake.tolk', 'storage.stake - storage.reserved - storage.unbonding', 'storage.stake - storage.reserved'],
  ['stake/stake.tolk', 'contract.getOriginalBalance() - value + msg.amount', 'contract.getOriginalBalance() - value'],
  ['stake/stake.tolk', 'storage.stake -= msg.amount;', ''],
  ['stake/stake.tolk', 'storage.earnings = 0;', ''],
  ['stake/stake.tolk', 'storage.unbonding = 0;', ''],
  ['stake/stake.tolk', 'storage.stake -= amount;', ''],
  ['stake/stake.tolk', 'val burnt = msg.amount - msg.share;', 'val burnt = 0;'],
  ['stake/stake.tolk', 'const STALE = 180', 'const STALE = 0'],
  ['market/market.tolk', 'storage.proposal = null;\n    storage.save();\n    giveBack(sender', 'storage.save();\n    giveBack(sender'],
]

/** The parts of a condition that are joined by `&` outside all parentheses. */
function parts(condition) {
  const found = []
  let depth = 0
  let part = ''
  for (const char of condition) {
    if (char === '(') depth += 1
    if (char === ')') depth -= 1
    if (char === '&' && depth === 0) {
      found.push(part.trim())
      part = ''
    } else part += char
  }
  return [...found, part.trim()]
}

function* asserts(file, text) {
  for (const match of text.matchAll(/assert \(([\s\S]*?)\)\s+throw (\w+);/g)) {
    const line = text.slice(0, match.index).split('\n').length
    const name = `${file}:${line} ${match[2]}`
    const put = (by) => text.slice(0, match.index) + by + text.slice(match.index + match[0].length)
    const all = parts(match[1])
    if (all.length === 1) yield { name, file, text: put('') }
    else {
      for (const dropped of all) {
        const rest = all.filter((part) => part !== dropped).join(' & ')
        yield { name: `${name} ${dropped}`, file, text: put(`assert (${rest}) throw ${match[2]};`) }
      }
    }
  }
}

function* mutants() {
  for (const room of [...CONTRACTS]) {
    for (const entry of readdirSync(new URL(`tolk/${room}/`, here))) {
      const file = `${room}/${entry}`
      yield* asserts(file, read(file))
    }
  }
  for (const [file, from, to] of CHANGES) {
    const text = read(file)
    if (!text.includes(from)) throw new Error(`${file} has no "${from}" any more`)
    yield { name: `${file} "${from}" -> "${to}"`, file, text: text.replace(from, to) }
  }
}

async function compile(contract, mutant) {
  const result = await runTolkCompiler({
    entrypointFileName: `${contract}/${contract}.tolk`,
    fsReadCallback: (path) => (path === mutant.file ? mutant.text : read(path)),
  })
  if (result.status === 'error') return null
  return { hash: result.codeHashHex.toLowerCase(), code: result.codeBoc64 }
}

const original = readFileSync(program)
const dir = mkdtempSync(join(tmpdir(), 'mutants-'))
let survived = 0
let killed = 0
let skipped = 0
for (const mutant of mutants()) {
  if (!mutant.name.includes(only)) continue
  const binary = Buffer.from(original)
  let changed = false
  let reason = 'changes nothing'
  for (const contract of CONTRACTS) {
    const compiled = await compile(contract, mutant)
    if (compiled === null) {
      reason = 'does not compile'
      changed = false
      break
    }
    const text = readFileSync(new URL(`compiled/${contract}.json`, here))
    if (JSON.parse(text).hash === compiled.hash) continue
    const at = original.indexOf(text)
    if (at < 0) throw new Error('the test program holds other code than compiled/: build it again')
    const mutated = Buffer.from(JSON.stringify({ compiler: '', ...compiled }))
    if (mutated.length > text.length) {
      reason = 'is larger'
      changed = false
      break
    }
    binary.fill(' ', at, at + text.length)
    mutated.copy(binary, at)
    changed = true
  }
  if (!changed) {
    skipped += 1
    console.log(`skipped   ${mutant.name}  (${reason})`)
    continue
  }
  const path = join(dir, 'mutant')
  rmSync(path, { force: true })
  writeFileSync(path, binary)
  chmodSync(path, 0o755)
  try {
    const env = { ...process.env, FOG_SEQUENCES: '24', RUST_BACKTRACE: '0' }
    // The parsers do not depend on the contracts.
    const skip = ['--skip', 'bindings::any', '--skip', 'bindings::damaged']
    execFileSync(path, skip, { env, cwd: here, stdio: 'pipe', timeout: 120_000 })
  } catch (error) {
    const output = `${error.stdout}`
    const by = [...output.matchAll(/^test (\S+) \.\.\. FAILED/gm)].map((match) => match[1])
    console.log(`killed    ${mutant.name}  (${by.length}: ${by.slice(0, 2).join(', ')})`)
    killed += 1
    continue
  }
  console.log(`SURVIVED  ${mutant.name}`)
  survived += 1
}
rmSync(dir, { recursive: true })
console.log(`${killed} killed, ${survived} survived, ${skipped} skipped`)
process.exit(survived === 0 ? 0 : 1)
