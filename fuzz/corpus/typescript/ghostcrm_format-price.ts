const dollars = new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD' })

export function formatPrice(price: number | null): string {
  return price === null ? 'Let’s talk' : dollars.format(price)
}
