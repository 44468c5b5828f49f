import { PRICING_PLANS } from '@/config/pricing'
import { formatPrice } from '@/lib/format-price'

export default function PricingPage() {
  return (
    <main>
      {Object.values(PRICING_PLANS).map((plan) => (
        <section key={plan.id}>
          <h2>{plan.name}</h2>
          <p>{plan.description}</p>
          <strong>{formatPrice(plan.monthlyPrice)}</strong>
        </section>
      ))}
    </main>
  )
}
