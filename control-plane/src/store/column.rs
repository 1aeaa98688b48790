//! Form of our own types in a column: the text or the number that they are made of.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef};
use sqlx::{Decode, Encode, Sqlite, Type};

use super::deployments::DeploymentId;
use crate::clock::UnixMillis;
use crate::experiment::ExperimentId;
use crate::id::{AgentUid, KeyId, LoginId, TenantId, UserId};
use crate::role::Role;
use crate::selector::Selector;

impl Type<Sqlite> for UnixMillis {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }
}

impl Encode<'_, Sqlite> for UnixMillis {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        self.0.encode_by_ref(buffer)
    }
}

impl Decode<'_, Sqlite> for UnixMillis {
    fn decode(value: SqliteValueRef<'_>) -> Result<Self, BoxDynError> {
        <i64 as Decode<Sqlite>>::decode(value).map(Self)
    }
}

/// A type whose column is its `Display` text, read back by `FromStr`.
macro_rules! text_column {
    ($type:ty) => {
        impl Type<Sqlite> for $type {
            fn type_info() -> SqliteTypeInfo {
                <String as Type<Sqlite>>::type_info()
            }

            fn compatible(info: &SqliteTypeInfo) -> bool {
                <String as Type<Sqlite>>::compatible(info)
            }
        }

        impl<'q> Encode<'q, Sqlite> for $type {
            fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
                <String as Encode<'q, Sqlite>>::encode(self.to_string(), buffer)
            }
        }

        impl<'r> Decode<'r, Sqlite> for $type {
            fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
                Ok(<&str as Decode<Sqlite>>::decode(value)?.parse()?)
            }
        }
    };
}

text_column!(AgentUid);
text_column!(KeyId);
text_column!(LoginId);
text_column!(DeploymentId);
text_column!(ExperimentId);
text_column!(Role);
text_column!(Selector);
text_column!(TenantId);
text_column!(UserId);
