// Which contracts there are, and the files that each is compiled from.
import { readFileSync } from 'node:fs'

export const CONTRACTS = [
  'market', 'task', 'stake', 'delegation', 'operator', 'account', 'earnings', 'jetton_account',
  'jetton_earnings', 'jetton_task',
]

// A task in a jetton is a task with another purse: the same files, one of them in another's place.
const ENTRY = { jetton_task: 'task/task.tolk' }
const INSTEAD = { jetton_task: { 'task/purse.tolk': 'jetton_task/purse.tolk' } }

/** The file a contract starts with. */
export const entryOf = (contract) => ENTRY[contract] ?? `${contract}/${contract}.tolk`

/** The file that is read where a contract imports this path. */
export const fileOf = (contract, path) => INSTEAD[contract]?.[path] ?? path

export const read = (file) => readFileSync(new URL(`tolk/${file}`, import.meta.url), 'utf8')
