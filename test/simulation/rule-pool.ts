import type { CheckedRule } from '../../src/index.ts'
import { checked } from '../harness/split-run.ts'

/**
 * Rules over the streams `s` and `t`, one for each way in which a rule keeps something from one event
 * to a later one. Events have a key `k`, a number `n` from 0 to 9, a name `m`, and perhaps a text.
 */
export const rulePool: readonly CheckedRule[] = checked(`
id: rising
from: s
by: k
detect:
  within: 40s
  sequence:
    - { step: low, where: n < 3, times: "2..3" }
    - { step: high, where: n > 6 && n > low.n }
alert: { dedupe: { by: [k], for: 60s } }
---
id: unpaid
from: s
by: k
detect:
  within: 10s
  sequence:
    - { step: order, where: n == 4 }
    - { step: paid, where: n == 5 }
on_timeout: { title: "unpaid \${{ order.n }} \${{ order.m }}" }
---
id: pair
from: s
by: n
detect: { within: 3s, sequence: [{ step: a }, { step: b, where: k != a.k }] }
---
id: strict
from: s
by: k
detect:
  within: 30s
  after_match: { skip_to_last: b }
  sequence:
    - { step: a, where: n < 5 }
    - { step: b, where: n < 5, contiguity: strict }
---
id: greedy-loop
from: s
by: k
detect:
  within: 60s
  sequence:
    - { step: first, where: n < 2 }
    - { step: more, where: n >= 2, times: { min: 2, within: 20s }, greedy: true, until: n == 9 }
    - { step: last, where: n == 0 }
alert: { fields: { total: sum(more.n), count: count(more), first: first.m } }
---
id: every-choice
from: s
by: m
detect:
  within: 6s
  limit: 3
  max_matches: 5
  after_match: no_skip
  sequence:
    - { step: a, where: n < 6 }
    - { step: b, where: n > a.n, contiguity: any }
    - { step: c, where: n > b.n, contiguity: any }
---
id: silent
from: s
by: k
detect:
  within: 8s
  sequence:
    - { step: spoke, where: n > 7 }
    - { absent: again, where: n > 5 }
---
id: nothing-between
from: s
by: k
detect:
  within: 40s
  sequence:
    - { step: a, where: n == 1 }
    - { absent: stop, where: n == 8 }
    - { step: b, where: n == 2 }
---
id: once
from: s
by: k
filter: has(n) && n < 9
detect: { event: { where: n % 3 == 0 } }
alert: { dedupe: { by: [m], for: 20s }, fields: [n, m] }
exceptions:
  - { name: zero, where: n == 0 }
---
id: cancelled
from: s
by: k
detect:
  within: 30s
  sequence:
    - { step: login, where: n < 4 }
    - { step: transfer, where: n > 4 }
  cancelled_by: { where: n == 4 }
on_timeout: { title: "\${{ key }} did nothing" }
---
id: grouped
from: s
by: k
detect:
  within: 60s
  emit_order: start
  sequence:
    - group: attempts
      times: 2
      sequence:
        - { step: charge, where: n < 5 }
        - { step: refusal, where: n >= 5, within: 15s }
    - { step: large, optional: true, where: n == 9 }
    - { step: end, where: n == 7 }
---
id: across
from: [s, t]
by: { who: { s: k, t: owner } }
detect:
  within: 30s
  sequence:
    - { step: said, from: s, where: n > 3 }
    - { step: done, from: t, where: n == said.n }
on_timeout: { title: "\${{ who }} was not done", severity: low }
---
id: both-parts
from: s
by: [k, m]
detect:
  within: 25s
  after_match: skip_to_next
  sequence:
    - { step: a, times: 2, where: n < 7 }
    - { step: b, where: n > max(a.n) }
---
id: other-stream
from: t
by: owner
detect:
  within: 12s
  sequence:
    - { step: a, where: text.startsWith("a") }
    - { step: b, where: text != a.text }
alert: { fields: { texts: a.text + b.text } }
`)
