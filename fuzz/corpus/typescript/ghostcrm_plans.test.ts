import { describe, expect, it } from 'vitest'
import { getPlan } from './plans'

// A fixture under the real name: tests are never read as pricing.
export const PRICING_PLANS = {
  starter: { id: 'starter', name: 'Fixture', monthlyPrice: 1, yearlyPrice: 1 },
}

describe('getPlan', () => {
  it('finds a plan by its id', () => {
    expect(getPlan('starter').name).not.toBe(PRICING_PLANS.starter.name)
  })
})
