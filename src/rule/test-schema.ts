// biome-ignore-all lint/suspicious/noTemplateCurlyInString: examples of the `${{ }}` of titles.
import {
  anyObject,
  count,
  described,
  duration,
  keywords,
  listOf,
  mapOf,
  notYet,
  oneOfWords,
  type SchemaNode,
  text,
  time,
} from './schema-parts.ts'

const index: SchemaNode = {
  type: 'integer',
  minimum: 0,
  'x-expected': 'the index of an event, from 0',
}

const testEvent = keywords(
  {
    at: described(duration, 'Event time, counted from `start`.', '90s'),
    from: described(text, 'Its stream, where the rule reads several.', 'auth'),
    event: described(anyObject, 'The event itself.', { card: 'c1', amount: 900 }),
    repeat: described(
      keywords(
        {
          times: described(count, 'How many events in all.', 5),
          every: described(duration, 'From one to the next.', '10s'),
        },
        ['times', 'every'],
      ),
      'The same event several times.',
      { times: 5, every: '10s' },
    ),
  },
  ['at', 'event'],
)

const generate = keywords(
  {
    count: described(count, 'How many events.', 60),
    every: described(duration, 'From one to the next; the first is at `start`.', '1s'),
    from: described(text, 'Their stream, where the rule reads several.', 'telemetry'),
    event: described(
      anyObject,
      'The event; a text in it may hold `${{ }}` with the index `i`, from 0.',
      { device: 'd1', value: '${{ 1.0 + i * 0.01 }}' },
    ),
  },
  ['count', 'every', 'event'],
)

const expected = keywords({
  at: described(duration, "The alert's event time, counted from `start`.", '90s'),
  by: described(anyObject, 'Its key: name → value.', { card: 'c1' }),
  state: described(oneOfWords('firing', 'resolved'), 'Its state.', 'firing'),
  steps: described(
    mapOf(listOf(index)),
    'Step → indexes of its events, counted from 0 after `repeat` is unrolled.',
    { probe: [0], drain: [2] },
  ),
  counts: described(
    mapOf({ ...index, 'x-expected': 'a whole number of at least 0' }),
    'Step → how many events it took.',
    { failures: 5 },
  ),
  values: described(anyObject, 'Values of `let`.', { total: 5300 }),
  fields: described(anyObject, 'Values of `alert.fields`.', { lost: 900 }),
})

/** One entry of `tests`. */
export const testSchema: SchemaNode = keywords(
  {
    name: described(text, 'What the test shows.', 'fires at another merchant'),
    start: described(time, 'What `at` counts from; default 2026-01-01T00:00:00Z.', '2026-06-01'),
    events: described(listOf(testEvent), 'The events; put in order of `at`.', [
      { at: '0s', event: { card: 'c1', amount: 1 } },
    ]),
    generate: described(generate, 'Many events by rule.', {
      count: 60,
      every: '1s',
      event: { device: 'd1', value: '${{ i }}' },
    }),
    events_file: described(
      text,
      'A file with one entry of `events` a line, as JSON; relative to this file.',
      'fixtures/a.ndjson',
    ),
    tables: described(notYet(anyObject), 'Rows of tables: name → list.', { cards: ['c1'] }),
    end: described(duration, 'Virtual time runs on to it, counted from `start`.', '13m'),
    expect: described(
      listOf(expected),
      'The whole list of alerts: one that is not listed fails the test.',
      [{ at: '90s', by: { card: 'c1' } }],
      [],
    ),
  },
  ['name', 'expect'],
)

export const testInputs = ['events', 'generate', 'events_file'] as const
