//! What surrounds every page: the account, the reader, what needs a person.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::page::Failed;
use super::session::Session;
use super::view::shell::{Account, Confirm, Gate, Mode as View, Page, Shell, User};
use super::words::Ids;
use crate::access::{Principal, Role};
use crate::engine::Engine;
use crate::http::App;
use crate::plan::{AccountRef, Mode};
use crate::stripe::Links;

/// Who looks at a page.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) principal: Option<Arc<Principal>>,
    pub(super) session: Option<Session>,
}

impl Reader {
    pub(super) fn new(principal: Arc<Principal>, session: Option<Session>) -> Self {
        Self {
            principal: Some(principal),
            session,
        }
    }

    pub(super) fn nobody() -> Self {
        Self {
            principal: None,
            session: None,
        }
    }

    pub(super) fn actor(&self) -> String {
        self.principal
            .as_ref()
            .map(|is| is.actor())
            .unwrap_or_default()
    }

    /// What its forms carry.
    pub(super) fn csrf(&self) -> String {
        self.session.as_ref().map(Session::csrf).unwrap_or_default()
    }

    /// Whether the reader may do what needs this role.
    pub(super) fn gate(&self, needed: Role) -> Gate {
        match &self.principal {
            Some(principal) if principal.role() >= needed => Gate::Open,
            Some(principal) => Gate::Shut(format!(
                "Needs the role {needed}; yours is {}.",
                principal.role()
            )),
            None => Gate::Shut(format!("Needs the role {needed}.")),
        }
    }

    fn user(&self) -> Option<User> {
        let principal = self.principal.as_ref()?;
        Some(User {
            name: match &**principal {
                Principal::Key { name, .. } => name.clone(),
                Principal::Open { .. } => "this machine".to_owned(),
                Principal::Command => "this process".to_owned(),
            },
            role: principal.role().as_str(),
            can_log_out: self.session.is_some(),
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Reader {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self {
            principal: parts.extensions.get().cloned(),
            session: parts.extensions.get().cloned(),
        })
    }
}

/// Around a page that knows nothing of the account.
pub(super) fn bare(reader: &Reader, title: &str) -> Shell {
    Shell {
        title: title.to_owned(),
        page: Page::None,
        account: None,
        user: reader.user(),
        csrf: reader.csrf(),
        now: String::new(),
        notices: Vec::new(),
        operate: reader.gate(Role::Operator),
        administer: reader.gate(Role::Admin),
        confirm: None,
        findings: 0,
        given_up: 0,
    }
}

/// The account that all pages are about.
pub(super) struct Whose {
    pub(super) at: Option<AccountRef>,
    pub(super) account: Account,
    sandbox: bool,
}

impl Whose {
    pub(super) fn ids(&self) -> Ids<'_> {
        Ids(Links::new(self.at.as_ref(), self.sandbox))
    }

    /// What has to be typed before a write, in live mode.
    pub(super) fn confirm(&self, wrong_in: &'static str) -> Option<Confirm> {
        let is_live = match self.account.mode {
            View::Live => true,
            View::Sandbox | View::Test => false,
        };
        is_live.then(|| Confirm {
            name: Some(self.account.name.clone()).filter(|name| !name.is_empty()),
            wrong_in,
        })
    }

    /// Whether a form with this in it may write.
    pub(super) fn confirms(&self, typed: &str) -> bool {
        self.confirm("")
            .is_none_or(|confirm| confirm.name.as_deref() == Some(typed.trim()))
    }
}

/// Whose products these are.
pub(super) async fn whose(app: &App) -> Result<Whose, Failed> {
    let engine = &app.engine;
    let at = engine.remembered_account().await?;
    let settings = engine.settings();
    let remembered = engine.store().account_of_key(&settings.key_hash).await?;
    let sandbox = app.facts.sandbox;
    let id = at
        .as_ref()
        .map(|at| at.account.to_string())
        .unwrap_or_default();
    let name = remembered
        .filter(|is| is.id == id)
        .and_then(|is| is.display_name);
    let account = Account {
        name: name
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| id.clone()),
        mode: match settings.mode {
            _ if sandbox => View::Sandbox,
            Mode::Test => View::Test,
            Mode::Live => View::Live,
        },
        href: Links::new(at.as_ref(), sandbox).products(),
        id,
    };
    Ok(Whose {
        at,
        account,
        sandbox,
    })
}

/// What surrounds a page.
pub(super) async fn shell(
    engine: &Engine,
    whose: &Whose,
    reader: &Reader,
    title: &str,
    page: Page,
) -> Result<Shell, Failed> {
    let findings = match &whose.at {
        Some(at) => engine.store().last_validation(at).await?,
        None => None,
    };
    let findings = findings.map(|validation| {
        let errors = validation
            .findings
            .iter()
            .filter(|finding| finding.is_error);
        errors.count()
    });
    Ok(Shell {
        page,
        account: Some(whose.account.clone()),
        now: engine.now().to_rfc3339(),
        confirm: whose.confirm(""),
        findings: findings.unwrap_or_default() as u64,
        given_up: engine.event_queue().await?.failed,
        ..bare(reader, title)
    })
}
