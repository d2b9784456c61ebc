// biome-ignore-all lint/suspicious/noTemplateCurlyInString: examples of the `${{ }}` of titles.
import { detectDefinitions, detectSchema } from './detect-schema.ts'
import {
  count,
  described,
  duration,
  expression,
  keywords,
  listOf,
  mapOf,
  name,
  notYet,
  oneOfWords,
  type SchemaNode,
  text,
  time,
} from './schema-parts.ts'
import { testSchema } from './test-schema.ts'

const severity = described(
  oneOfWords('info', 'low', 'medium', 'high', 'critical'),
  'How bad it is; default `medium`.',
  'high',
)
const title = described(
  text,
  'One line for people; `${{ }}` holds a CEL expression. Default: the id.',
  'Card ${{ card }}: ${{ drain.amount }} at ${{ drain.merchant }}',
)

const alertKeywords: Readonly<Record<string, SchemaNode>> = {
  dedupe: described(
    keywords(
      {
        by: described(listOf(expression), 'CEL expressions: equal values are one.', ['card']),
        for: described(duration, 'How long, from the first alert.', '1h'),
      },
      ['by', 'for'],
    ),
    'Holds back an alert that has the same `by` as one not long before, in event time.',
    { by: ['card'], for: '1h' },
  ),
  fields: described(
    {
      type: ['object', 'array'],
      additionalProperties: expression,
      items: expression,
      'x-expected': 'a map of names to CEL expressions, or a list of CEL expressions',
    },
    'CEL expressions whose values the alert carries; in a list they name themselves.',
    { lost: 'drain.amount' },
    ['drain.amount'],
  ),
  to: described(listOf(text, 1), 'Names of sinks; default: those marked default.', ['alerts']),
  edge: described(
    notYet(oneOfWords('rising', 'every')),
    '`rising` (default): once, when the condition becomes true; `every`: each window.',
    'every',
  ),
  group_by: described(notYet(listOf(expression)), 'One notification for a group.', ['site']),
  group_wait: described(notYet(duration), 'How long a new group waits for more.', '30s'),
  repeat_interval: described(notYet(duration), 'When a firing alert is sent again.', '4h'),
  resolve: described(notYet(text), 'What resolves the alert.', 'next_event'),
  inhibited_by: described(
    notYet(listOf(text, 1)),
    'Rules whose firing alerts hold this one back.',
    ['site-uplink-down'],
  ),
}

const by: SchemaNode = {
  type: ['string', 'array', 'object'],
  minLength: 1,
  items: text,
  minItems: 1,
  uniqueItems: true,
  additionalProperties: {
    type: ['string', 'object'],
    minLength: 1,
    additionalProperties: text,
    'x-expected': 'a path, or a map of streams to paths',
  },
  minProperties: 1,
  'x-expected': 'a path, a list of paths, or a map of names to streams and paths',
}

const exception = keywords(
  {
    name: described(text, 'What it excepts.', 'own test cards'),
    where: described(expression, 'Holds for a match that raises no alert.', 'probe.test == true'),
    expires: described(time, 'Event time from which it no longer holds.', '2027-01-01'),
  },
  ['name', 'where'],
)

const ruleKeywords: Readonly<Record<string, SchemaNode>> = {
  $schema: described(text, 'Where this schema is, for editors.', 'rule.schema.json'),
  id: described(
    {
      type: 'string',
      pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$',
      maxLength: 200,
      'x-expected': 'letters, digits, `-`, `_` and `.`',
    },
    'Names the rule, its state and its alerts; unique over the folder.',
    'card-testing',
  ),
  version: described(count, 'Carried in alerts; default 1.', 3),
  title,
  description: described({ type: 'string' }, 'What the rule is about.', 'A tiny charge first.'),
  severity,
  mode: described(
    oneOfWords('live', 'shadow', 'disabled'),
    '`live` (default); `shadow` runs and counts, but its alerts reach no sink; `disabled`.',
    'shadow',
  ),
  tags: described(listOf(text), 'Labels, as `namespace.value`.', ['fraud.card_testing']),
  from: described(
    {
      type: ['string', 'array'],
      minLength: 1,
      items: text,
      minItems: 1,
      uniqueItems: true,
      'x-expected': 'a stream, or a list of streams',
    },
    'The stream or streams that the rule reads.',
    'payments',
    ['auth', 'payments'],
  ),
  by: described(
    by,
    'The key: events with different keys do not meet.',
    'card',
    ['card', 'merchant.id'],
    { user: { auth: 'user_id', payments: 'account.owner' } },
  ),
  filter: described(
    expression,
    'Events outside it do not exist for this rule.',
    'status == "approved"',
  ),
  lookup: described(
    notYet(
      mapOf(
        keywords(
          {
            table: described(text, 'A table.', 'card_limits'),
            key: described(expression, 'The key of the row.', 'card'),
            default: described({}, 'The row where there is none.', { ten_min: 5000 }),
          },
          ['table', 'key'],
        ),
        name,
      ),
    ),
    'Names rows of tables for the whole rule.',
    { limit: { table: 'card_limits', key: 'card' } },
  ),
  detect: described(
    detectSchema,
    'What to detect: exactly one of `event`, `sequence`, `aggregate`, `absence`, `state`.',
    { event: { where: 'amount > 10000' } },
  ),
  alert: described(keywords(alertKeywords), 'How a match becomes an alert.', { to: ['alerts'] }),
  on_timeout: described(
    keywords({ title, severity, ...alertKeywords }),
    'An alert for partial matches whose time ran out.',
    { title: '${{ user }} did not confirm' },
  ),
  exceptions: described(listOf(exception), 'Complete matches that raise no alert.', [
    { name: 'own cards', where: 'probe.test == true' },
  ]),
  tests: described(listOf(testSchema), "The rule's own tests.", [
    { name: 'quiet', events: [], expect: [] },
  ]),
}

/** The JSON Schema of one rule document, which `rule.schema.json` publishes. */
export const ruleSchema: SchemaNode = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Tocsin rule',
  description: 'One rule: what to detect in a stream of events, and how to say so.',
  ...keywords(ruleKeywords, ['id', 'from', 'by', 'detect']),
  $defs: detectDefinitions,
}

/** The JSON Schema of one document in a `*.test.yaml`. */
export const testFileSchema: SchemaNode = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  ...keywords(
    {
      rule: described(
        text,
        'The rule that the tests are of: its file, relative to this one, or its id. Default: ' +
          'the file of the same name.',
        './card-testing.rule.yaml',
      ),
      tests: described(listOf(testSchema), 'The tests.', []),
    },
    ['tests'],
  ),
}
