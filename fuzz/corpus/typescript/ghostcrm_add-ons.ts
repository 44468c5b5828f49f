import type { AddOnPackage } from '@/types/pricing'

export const ADD_ON_PACKAGES = {
  sales_powerpack: {
    id: 'sales_powerpack',
    name: 'Sales Powerpack',
    description: 'Sequences, dialer and your reps\' leads in one queue',
    monthlyPrice: 19.99,
    features: ['E-mail sequences', 'Power dialer', 'Lead scoring'],
    availableForPlans: ['starter', 'growth', 'business'],
  },
  ai_assistant: {
    id: 'ai_assistant',
    name: 'AI Assistant',
    description: "Drafts, summaries and next steps • for every deal",
    monthlyPrice: 24.5,
    features: ['Call summaries', 'Draft replies'],
    availableForPlans: ['growth', 'business'],
  },
  call_center: {
    id: 'call_center',
    name: 'Call Center',
    description: `Inbound queues, recordings and live coaching`,
    monthlyPrice: 149,
    features: ['Queues', 'Recording', 'Live coaching'],
    availableForPlans: ['business'],
  },
} as const satisfies Record<string, AddOnPackage>

export function addOnsFor(plan: string): AddOnPackage[] {
  return Object.values(ADD_ON_PACKAGES).filter((addOn) =>
    (addOn.availableForPlans as readonly string[]).includes(plan),
  ) as unknown as AddOnPackage[]
}
