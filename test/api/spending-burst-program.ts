import type { StreamExecutionEnvironment } from '../../src/api/stream-execution-environment.ts'
import type { Sink } from '../../src/connector/sink.ts'
import type { Source } from '../../src/connector/source.ts'
import { outputTag } from '../../src/operator/output-tag.ts'
import type { KeyedProcessFunction } from '../../src/operator/process-function.ts'
import { reducingState, valueState } from '../../src/state/state-descriptor.ts'

interface Payment {
  readonly card: string
  readonly amount: number
  readonly status: string
  readonly ts: number
}

interface Burst {
  readonly card: string
  readonly spent: number
  readonly until: number
}

const minute = 60_000
const tinyPayments = outputTag<Payment>('tiny')
const spent = reducingState<number>('spent', (first, second) => first + second)
const windowEnd = valueState<number>('window end', { ttl: { ttlMs: 24 * 60 * minute } })

/** Adds up what a card spends in the ten minutes from its first payment on. */
const spendingBurst: KeyedProcessFunction<string, Payment, Burst> = {
  processElement(payment, context) {
    if (payment.amount < 2) context.output(tinyPayments, payment)
    context.getState(spent).add(payment.amount)
    const end = context.getState(windowEnd)
    if (end.value() !== undefined) return
    end.update(context.timestamp + 10 * minute)
    context.timerService.registerEventTimeTimer(context.timestamp + 10 * minute)
  },
  onTimer(timestamp, context, collector) {
    const total = context.getState(spent).get() ?? 0
    if (total > 1000) collector.collect({ card: context.key, spent: total, until: timestamp })
    context.getState(spent).clear()
    context.getState(windowEnd).clear()
  },
}

/** Payments in; bursts of spending, tiny payments and late ones out. */
export async function runSpendingBurst(
  env: StreamExecutionEnvironment,
  payments: Source,
  sinks: { readonly bursts: Sink; readonly tiny: Sink; readonly late: Sink },
) {
  const stream = env.from<Payment>(payments, {
    stream: 'payments',
    time: { field: 'ts', unit: 'ms' },
    watermarks: { outOfOrdernessMs: 5_000 },
  })
  const bursts = stream
    .filter((payment) => payment.status === 'approved')
    .keyBy((payment) => payment.card)
    .process(spendingBurst)
  bursts.sinkTo(sinks.bursts)
  bursts
    .getSideOutput(tinyPayments)
    .map(({ card, amount }) => ({ card, amount }))
    .sinkTo(sinks.tiny)
  stream
    .lateOutput()
    .map(({ offset, reason }) => ({ offset, reason }))
    .sinkTo(sinks.late)
  return await env.execute()
}
