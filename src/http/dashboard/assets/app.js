// What makes the dashboard nicer with scripts. Every page works without this file.

const root = document.documentElement;

// --- Theme ---------------------------------------------------------------------
const choice = document.querySelector('[data-theme-choice]');
if (choice) {
  choice.value = root.dataset.theme ?? 'system';
  choice.addEventListener('change', () => {
    const theme = choice.value;
    if (theme === 'system') delete root.dataset.theme;
    else root.dataset.theme = theme;
    try {
      if (theme === 'system') localStorage.removeItem('theme');
      else localStorage.setItem('theme', theme);
    } catch { /* the choice lasts for this page */ }
  });
}

// --- Copy buttons ----------------------------------------------------------------
document.addEventListener('click', async (event) => {
  const button = event.target.closest('[data-copy]');
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    flash(button, 'copied', 'Copied');
  } catch {
    flash(button, 'not-copied', 'Not copied: select the text instead');
  }
});

const said = document.createElement('p');
said.className = 'sr';
said.setAttribute('role', 'status');
document.body.append(said);

function flash(button, state, words) {
  button.dataset.state = state;
  said.textContent = words;
  setTimeout(() => { delete button.dataset.state; said.textContent = ''; }, 1600);
}

// --- Relative times ----------------------------------------------------------------
// Counted from the service's clock, which is not always the reader's.
const service = Date.parse(document.querySelector('meta[name=now]')?.content ?? '');
const offset = Number.isNaN(service) ? 0 : service - Date.now();

function relative(time) {
  const s = Math.round((time - Date.now() - offset) / 1000);
  const n = Math.abs(s);
  const text = n < 60 ? `${n} s` : n < 3600 ? `${Math.round(n / 60)} min`
    : n < 86400 ? `${Math.round(n / 3600)} h` : `${Math.round(n / 86400)} d`;
  if (n < 5) return 'now';
  return s < 0 ? `${text} ago` : `in ${text}`;
}

setInterval(() => {
  if (document.hidden) return;
  for (const element of document.querySelectorAll('time[datetime]')) {
    const text = relative(Date.parse(element.dateTime));
    if (element.textContent !== text) element.textContent = text;
  }
}, 10000);

// --- Live regions -----------------------------------------------------------------
// htmx swaps the fragments in. Here: what the bar says, and the pause. While it is
// paused the latest fragment of each region is kept, and shown when it goes on.
for (const region of document.querySelectorAll('[data-live]')) {
  const bar = region.querySelector('[data-live-bar]');
  const button = region.querySelector('[data-live-pause]');
  if (!bar || !button) continue;
  const text = bar.querySelector('[data-live-text]');
  const held = new Map();
  let connection = 'Connecting';
  let paused = false;
  const show = () => {
    const now = paused ? 'Paused' : connection;
    bar.dataset.state = now.split(' ')[0].toLowerCase().replace(',', '');
    if (text.textContent !== now) text.textContent = now;
  };
  let source;
  region.addEventListener('htmx:sseOpen', (event) => {
    source = event.detail.source;
    connection = 'Live';
    show();
  });
  // A browser opens six connections to a service: a page that was left needs none.
  window.addEventListener('pagehide', () => source?.close());
  region.addEventListener('htmx:sseError', () => {
    connection = 'Connection lost, reconnecting';
    show();
  });
  region.addEventListener('htmx:sseClose', (event) => {
    if (event.detail.type !== 'message') return;
    connection = 'Ended';
    button.hidden = true;
    show();
    if (region.dataset.liveThen) location.assign(region.dataset.liveThen);
  });
  region.addEventListener('htmx:sseBeforeMessage', (event) => {
    if (!paused) return;
    event.preventDefault();
    held.set(event.target, event.detail.data);
  });
  button.addEventListener('click', () => {
    paused = !paused;
    button.setAttribute('aria-pressed', String(paused));
    if (!paused) {
      for (const [element, html] of held) {
        element.innerHTML = html;
        window.htmx.process(element);
      }
      held.clear();
    }
    show();
  });
  show();
}

// --- Forms ---------------------------------------------------------------------------
// A second click while the first is on its way starts nothing twice.
document.addEventListener('submit', (event) => {
  if (event.target.method !== 'post') return;
  for (const button of event.target.querySelectorAll('button')) button.setAttribute('aria-disabled', 'true');
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = 'true';
});
window.addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });

// An open panel closes with Escape and with a click beside it.
const closePanels = (except) => {
  for (const panel of document.querySelectorAll('details.more[open]')) if (panel !== except) panel.open = false;
};
document.addEventListener('click', (event) => closePanels(event.target.closest('details.more')));
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  const panel = document.querySelector('details.more[open]');
  closePanels();
  panel?.querySelector('summary').focus();
});

// --- The current page in the phone's navigation -----------------------------------------
const current = document.querySelector('.nav [aria-current]');
if (current && current.closest('ul').scrollWidth > current.closest('ul').clientWidth) {
  current.closest('ul').scrollLeft = current.offsetLeft - 40;
}

// --- A service that is away ----------------------------------------------------------
if (document.querySelector('[data-retry]')) {
  let left = 5;
  setInterval(async () => {
    left -= 1;
    if (left > 0) return;
    left = 5;
    const answer = await fetch(location.href, { method: 'HEAD' }).catch(() => null);
    if (answer?.ok) location.reload();
  }, 1000);
}
