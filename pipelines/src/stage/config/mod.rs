//! Parts of configs that processors of several kinds share.

mod constant;
mod error_mode;
mod names;
mod resource_conditions;

pub(crate) use constant::Constant;
pub(crate) use error_mode::ErrorMode;
pub(crate) use names::{MatchType, Names, regexp_options};
pub(crate) use resource_conditions::ResourceConditions;
