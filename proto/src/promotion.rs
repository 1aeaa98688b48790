//! Promotion between a control plane and an agent: how a refusal says that it is for another baseline.
//!
//! An offer of what was promoted says which pipelines it was compared with (`AgentRemoteConfig.compared_with`). An agent whose
//! file has another one in charge refuses it, so that nothing of the file is undone; the error of its OpAMP status begins with
//! [`OTHER_BASELINE`].

/// Begin of the error of a promotion that was compared with another pipeline than the one of the agent's file.
pub const OTHER_BASELINE: &str = "another baseline: ";
/// Attribute of an agent's description, `true` where the pipeline of its file was changed while a pushed one is in its place.
pub const OVERRIDE_PENDING: &str = "phoenix.local_override_pending";
/// The most pipelines that an offer names; a fleet of more kinds names none to agents that were not compared themselves.
pub const MAX_COMPARED: usize = 64;
