//! The view that an object is seen in. Every object holds it and hands it on, so that a nested field cannot answer for another
//! time or another reader.

use super::error::ApiError;
use super::inputs::queries::AsOf;
use super::resources::Resources;
use super::scalars::Long;
use crate::store::Scope;

/// A scope, and whether the client chose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The scope.
    pub scope: Scope,
    /// Whether `asOf` set it. Such a view stands; any other is the newest that the request saw, and a page that follows a
    /// cursor goes back to the view of the page before.
    pub pinned: bool,
}

impl View {
    /// The newest view, when nothing was asked.
    pub const fn newest(revision: i64) -> Self {
        Self {
            scope: Scope::at(revision),
            pinned: false,
        }
    }

    /// This view, or an earlier one that `asOf` asks for. In a view nothing is later than itself, so what is true of the
    /// newest revision at the root is true of the view's own revision here.
    pub async fn as_of(self, resources: &Resources, as_of: Option<AsOf>) -> Result<Self, ApiError> {
        let revision = match as_of {
            None => return Ok(self),
            Some(AsOf::Revision(Long(revision))) => self.existing(revision)?,
            Some(AsOf::Time(time)) => resources.revision_at(time.0).await?.revision.min(self.scope.revision),
        };
        Ok(Self {
            scope: self.scope.as_of(revision),
            pinned: true,
        })
    }

    fn existing(self, revision: i64) -> Result<i64, ApiError> {
        let newest = self.scope.revision;
        if (0..=newest).contains(&revision) {
            return Ok(revision);
        }
        let message =
            format!("There is no revision {revision} here: the newest is {newest}, and 0 is the empty store.");
        Err(ApiError::bad_user_input("asOf.revision", message))
    }

    /// The view for the page that follows a cursor of an answer at `revision`.
    pub async fn of_cursor(self, resources: &Resources, revision: Option<i64>) -> Result<Self, ApiError> {
        match revision {
            Some(revision) if !self.pinned => {
                if revision > self.scope.revision && revision > resources.newest().await?.revision {
                    let message = "The cursor is of a later state than this store has seen: begin again without it.";
                    return Err(ApiError::bad_cursor("after", message));
                }
                Ok(Self {
                    scope: self.scope.as_of(revision),
                    ..self
                })
            }
            _ => Ok(self),
        }
    }
}
