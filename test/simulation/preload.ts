import { replaceExports } from '../coherence/replace-exports.ts'
import { mutants } from './mutants.ts'

/* Loaded before a simulation (`--import`) of the broken build that MUTANT names. */

const { MUTANT = '' } = process.env
const mutant = mutants[MUTANT]
if (mutant === undefined) throw new Error(`there is no mutant "${MUTANT}"`)
replaceExports(mutant.wrappers)
