//! Form of our own types in a column: the text or the number that they are made of.

use super::deployments::DeploymentId;
use super::previews::PreviewId;
use super::query::{Bind, Value};
use super::row::{Column, Row, undecodable};
use super::webhooks::WebhookId;
use crate::clock::UnixMillis;
use crate::experiment::ExperimentId;
use crate::id::{AgentUid, KeyId, LoginId, TenantId, UserId};
use crate::role::Role;

impl Bind for UnixMillis {
    const NULL: Value = Value::Integer(None);

    fn value(self) -> Value {
        Value::Integer(Some(self.0))
    }
}

impl<'r> Column<'r> for UnixMillis {
    fn read(row: &'r Row, name: &str) -> Result<Self, sqlx::Error> {
        i64::read(row, name).map(Self)
    }
}

/// A type whose column is its `Display` text, read back by `FromStr`.
macro_rules! text_column {
    ($($type:ty),+ $(,)?) => {
        $(impl Bind for $type {
            const NULL: Value = Value::Text(None);

            fn value(self) -> Value {
                Value::Text(Some(self.to_string()))
            }
        }

        impl<'r> Column<'r> for $type {
            fn read(row: &'r Row, name: &str) -> Result<Self, sqlx::Error> {
                <&str>::read(row, name)?.parse().map_err(|error| undecodable(name, error))
            }
        })+
    };
}

text_column!(
    AgentUid,
    KeyId,
    LoginId,
    DeploymentId,
    ExperimentId,
    PreviewId,
    Role,
    TenantId,
    UserId,
    WebhookId
);
