import type { PlanId, PricingPlan } from '@/types/pricing'

const UNLIMITED = -1

const CORE_FEATURES = ['Contact management', 'Deal pipeline', 'E-mail sync']

export const PRICING_PLANS: Record<PlanId, PricingPlan> = {
  starter: {
    id: 'starter',
    name: 'Starter',
    description: 'For solo sellers and small teams',
    monthlyPrice: 29,
    yearlyPrice: 29 * 12 * 0.9,
    yearlyDiscount: 10,
    maxUsers: 3,
    maxContacts: 1_000,
    maxDeals: 100,
    storageGB: 5,
    includedFeatures: CORE_FEATURES,
    availableAddOns: ['sales_powerpack'],
  },
  growth: {
    id: 'growth',
    name: 'Growth',
    description: 'For teams that live in their pipeline 🚀',
    monthlyPrice: 79.5,
    yearlyPrice: 79.5 * 12 * 0.85,
    yearlyDiscount: 15,
    maxUsers: 15,
    maxContacts: 25_000,
    maxDeals: 2_500,
    storageGB: 50,
    includedFeatures: [...CORE_FEATURES, 'Workflow automation', 'Forecasting'],
    availableAddOns: ['sales_powerpack', 'ai_assistant'],
    popular: true,
  },
  business: {
    id: 'business',
    name: 'Business',
    description: 'For sales departments with their own processes',
    monthlyPrice: 199,
    yearlyPrice: 199 * 12 * 0.8,
    yearlyDiscount: 20,
    maxUsers: UNLIMITED,
    maxContacts: UNLIMITED,
    maxDeals: UNLIMITED,
    storageGB: 500,
    includedFeatures: [...CORE_FEATURES, 'Custom objects', 'Audit log', 'SSO'],
    availableAddOns: ['sales_powerpack', 'ai_assistant', 'call_center'],
  },
  // Sold by people: no price, so nothing for Stripe.
  enterprise: {
    id: 'enterprise',
    name: 'Enterprise',
    description: 'For groups with special needs',
    monthlyPrice: null,
    yearlyPrice: null,
    yearlyDiscount: 0,
    maxUsers: UNLIMITED,
    maxContacts: UNLIMITED,
    maxDeals: UNLIMITED,
    storageGB: UNLIMITED,
    includedFeatures: ['Everything in Business', 'Dedicated success manager'],
    availableAddOns: [],
    enterprise: true,
    customPricing: true,
  },
}

export function getPlan(id: PlanId): PricingPlan {
  return PRICING_PLANS[id]
}

export const isUnlimited = (limit: number): boolean => limit === UNLIMITED
