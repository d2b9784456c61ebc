import {
  count,
  described,
  duration,
  expression,
  flag,
  keywords,
  listOf,
  mapOf,
  name,
  notYet,
  oneOfWords,
  type SchemaNode,
  text,
  wordOrMap,
} from './schema-parts.ts'

/** What stands in messages beside a kind that is not. */
const built = 'this version detects `event` and `sequence`'

const match = described(
  { type: ['object', 'boolean'], 'x-expected': 'a JSON Schema of one event' },
  'A JSON Schema (draft 2020-12) that the event must satisfy. With `where`, both must hold.',
  { required: ['amount'], properties: { amount: { maximum: 2 } } },
)
const where = described(
  expression,
  'A CEL expression that must be true. With `match`, both must hold.',
  'amount > 500 && merchant != probe.merchant',
)
const stepFrom = described(
  text,
  'Only events of this stream count here, where the rule reads several.',
  'auth',
)

/** What one event must be: the shape of `event`, `cancelled_by` and `of`. */
const eventTest: SchemaNode = keywords({ from: stepFrom, match, where })

const contiguityWords = ['strict', 'relaxed', 'any']

const times = described(
  {
    ...keywords({
      min: described(
        { type: 'integer', minimum: 0, 'x-expected': 'a whole number of at least 0' },
        'The least number of events. 0 means that the step may be left out.',
        2,
      ),
      max: described(count, 'The greatest number of events; without it the loop is open.', 4),
      within: described(duration, 'Longest time from one repetition to the next.', '1m'),
    }),
    type: ['integer', 'string', 'object'],
    minimum: 1,
    pattern: '^\\d+\\.\\.\\d+$',
    'x-expected': 'a number, a range such as "2..4", or a map of `min`, `max`, `within`',
  },
  'How many events the step takes: a number, a range, or at least `min`.',
  3,
  '2..4',
  { min: 2, max: 4 },
  { min: 1, within: '1m' },
)

/** An item: a step, an absent step or a group; which keywords go together is checked in code. */
const item: SchemaNode = keywords({
  step: described(name, 'Takes an event; the name stands for what it took.', 'drain'),
  absent: described(name, 'An event that must not occur between its neighbours.', 'mfa'),
  group: described(name, 'A `sequence` that stands as one step.', 'attempt'),
  sequence: described({ $ref: '#/$defs/sequence' }, 'The items of a group, in order.', [
    { step: 'a', where: 'x == 1' },
    { step: 'b', where: 'x == 2' },
  ]),
  from: stepFrom,
  match,
  where,
  contiguity: described(
    oneOfWords(...contiguityWords),
    'How the item stands to the one before: `strict` takes the very next event of the key, ' +
      '`relaxed` (default) skips what does not fit, `any` may skip what fits too.',
    'strict',
  ),
  times,
  inner: described(
    oneOfWords(...contiguityWords),
    'Contiguity among the repetitions of `times`; default `relaxed`.',
    'strict',
  ),
  optional: described(flag, 'The item may be left out; default `false`.', true),
  greedy: described(
    flag,
    'Takes all it can before the next step; default `false`. Only with `times`.',
    true,
  ),
  until: described(
    expression,
    'Ends an open loop; the event that it holds for is not taken by the loop.',
    'type == "logout"',
  ),
  within: described(duration, 'Longest time since the event taken before.', '30s'),
})

const sequenceKeywords: Readonly<Record<string, SchemaNode>> = {
  sequence: described({ $ref: '#/$defs/sequence' }, 'Steps that events must take in order.', [
    { step: 'probe', where: 'amount < 2' },
    { step: 'drain', where: 'amount > 500' },
  ]),
  within: described(
    duration,
    'Longest time from the first event to the last. Required, unless `unbounded`.',
    '10m',
  ),
  unbounded: described(
    flag,
    'Says that the sequence is meant to have no time limit: its state may grow without bound.',
    true,
  ),
  after_match: described(
    wordOrMap(
      ['no_skip', 'skip_to_next', 'skip_past_last'],
      keywords({
        skip_to_first: described(name, 'Drops what began before the first event of a step.', 'b'),
        skip_to_last: described(name, 'Drops what began before the last event of a step.', 'b'),
      }),
      '`no_skip`, `skip_to_next`, `skip_past_last`, `{ skip_to_first: STEP }` or ' +
        '`{ skip_to_last: STEP }`',
    ),
    'Which partial matches a match drops; default `skip_past_last`.',
    'no_skip',
    { skip_to_last: 'b' },
  ),
  cancelled_by: described(
    eventTest,
    "An event that kills the key's open partial matches, before it is offered to the steps.",
    { from: 'auth', where: 'type == "mfa"' },
  ),
  limit: described(count, 'First events that a key may have open; default 1000.', 5000),
  max_matches: described(count, 'Matches that one event may complete; default 1000.', 100),
  emit_order: described(
    oneOfWords('at_once', 'start'),
    '`at_once` (default): a match is emitted as it completes. `start`: it waits while a partial ' +
      'match that began earlier is open, as in Flink CEP.',
    'start',
  ),
}

const aggregate = keywords(
  {
    window: described(
      keywords({
        sliding: described(duration, 'Looks back from each event.', '10m'),
        tumbling: described(duration, 'Windows side by side.', '10m'),
        hopping: described(
          keywords(
            {
              size: described(duration, 'Length of a window.', '10m'),
              slide: described(duration, 'From the start of one to that of the next.', '1m'),
            },
            ['size', 'slide'],
          ),
          'Windows that overlap.',
          { size: '10m', slide: '1m' },
        ),
        session: described(
          keywords({ gap: described(duration, 'A silence that ends it.', '30m') }, ['gap']),
          'A window that lasts until the key is silent.',
          { gap: '30m' },
        ),
        count: described(count, 'So many last events.', 20),
        slide: described(count, 'Judged each time so many events came; with `count`.', 10),
      }),
      'Over which events to count: one of `sliding`, `tumbling`, `hopping`, `session`, `count`.',
      { sliding: '10m' },
      { count: 20, slide: 10 },
    ),
    let: described(mapOf(expression, name), 'Names for aggregates.', { total: 'sum(amount)' }),
    having: described(expression, 'What must hold of a window.', 'total > 5000'),
    consecutive: described(count, 'So many windows in a row must hold; default 1.', 3),
  },
  ['window', 'having'],
)

const absence = keywords(
  {
    of: described(eventTest, 'The event that fails to come; `{}` is any.', {}),
    for: described(duration, 'The silence that fires.', '5m'),
    keys: described(
      keywords(
        {
          table: described(text, 'A table.', 'devices'),
          column: described(text, 'Its column of keys.', 'id'),
        },
        ['table', 'column'],
      ),
      'A roster, so that keys that never reported are found.',
      { table: 'devices', column: 'id' },
    ),
    clock: described(oneOfWords('event', 'processing'), 'Which time decides.', 'processing'),
  },
  ['of', 'for'],
)

const state = keywords(
  {
    when: described(expression, 'Enters the state.', 'value > 80'),
    for: described(duration, 'How long it must hold before it fires; default at once.', '5m'),
    clear_when: described(expression, 'Leaves it; default: `when` is false.', 'value < 75'),
    keep_firing_for: described(duration, 'How long it stays after it cleared.', '2m'),
    no_data: described(oneOfWords('keep', 'resolve', 'fire'), 'What silence means.', 'keep'),
    no_data_after: described(duration, 'The silence that counts as no data.', '10m'),
  },
  ['when'],
)

/** The keywords of `detect`, of which exactly one is among `detectKinds`. */
export const detectSchema: SchemaNode = keywords({
  event: described(eventTest, 'Each event that fits is a match.', { where: 'amount > 10000' }),
  ...sequenceKeywords,
  aggregate: described(notYet(aggregate, built), 'Counts over windows.', {
    window: { sliding: '10m' },
    let: { total: 'sum(amount)' },
    having: 'total > 5000',
  }),
  absence: described(notYet(absence, built), 'An event that fails to come.', { of: {}, for: '5m' }),
  state: described(notYet(state, built), 'A condition that lasts.', {
    when: 'value > 80',
    for: '5m',
  }),
})

export const detectKinds = ['event', 'sequence', 'aggregate', 'absence', 'state'] as const

/** The keywords that only a sequence has. */
export const sequenceOnly = Object.keys(sequenceKeywords).filter((key) => key !== 'sequence')

/** Definitions that refer to themselves, under `$defs`. */
export const detectDefinitions: Readonly<Record<string, SchemaNode>> = {
  sequence: listOf(item, 1),
}
