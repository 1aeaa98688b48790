//! The operators: three people with accounts of their own, over REST as anybody would.

use std::time::Duration;

use anyhow::{Context, bail};
use api::{Agent, CreatedToken, Event, Experiment, Page, Results, Status};
use rand::RngExt as _;
use rand::distr::Alphanumeric;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::Instant;

use super::configs::{Candidate, LABEL, TEMPLATE, experiment};
use client::Client;

const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);
/// Everybody's address, with the role it stands for.
const PEOPLE: [(&str, &str); 3] =
    [("admin@phoenix.io", "admin"), ("user@phoenix.io", "operator"), ("viewer@phoenix.io", "viewer")];

/// Somebody who can log in.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their address.
    pub email: &'static str,
    /// Their password, made at this start.
    pub password: String,
    /// Their role.
    pub role: &'static str,
}

/// The operator's session, and everybody's accounts.
pub struct Operator {
    /// Admin, operator, viewer.
    pub people: Vec<Person>,
    admin: Client,
    client: Client,
}

impl Operator {
    /// Sets up the first account with the setup token, makes the others, and logs the operator in.
    ///
    /// # Errors
    /// What the control plane refuses.
    pub async fn set_up(server: &str, setup_token: &str) -> anyhow::Result<Self> {
        let anybody = Client::new(server)?;
        let mut people: Vec<Person> = Vec::new();
        let mut admin = Client::new(server)?;
        for (email, role) in PEOPLE {
            let password = secret(20);
            if people.is_empty() {
                let body = json!({ "token": setup_token, "email": email, "password": password });
                anybody.post("/auth/setup", &body).await?;
                (admin, _) = admin.login(email, &password).await?;
            } else {
                let body = json!({ "email": email, "role": role, "password": password });
                admin.post("/users", &body).await?;
            }
            people.push(Person { email, password, role });
        }
        let (client, _) = Client::new(server)?.login(people[1].email, &people[1].password).await?;
        Ok(Self { people, admin, client })
    }

    /// An enrollment token of the admin's, for any number of agents, which get the demo's label by it.
    ///
    /// # Errors
    /// What the control plane refuses.
    pub async fn enrollment_token(&self) -> anyhow::Result<String> {
        let labels = json!({ LABEL.0: LABEL.1 });
        let made = self
            .admin
            .post("/enrollment-tokens", &json!({ "labels": labels, "max_uses": "unlimited" }))
            .await?;
        Ok(CreatedToken::deserialize(&made).context("an unexpected token")?.token)
    }

    /// Waits until so many agents are connected.
    ///
    /// # Errors
    /// When they are not within 30 s.
    pub async fn gathered(&self, agents: usize) -> anyhow::Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let listed = self.client.get("/agents").await?;
            let listed = Page::<Agent>::deserialize(&listed).context("an unexpected list of agents")?;
            let connected = listed.items.iter().filter(|agent| agent.status == "connected").count();
            if connected == agents {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("{connected} of {agents} agents are connected to the control plane after {PATIENCE:?}");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Keeps the demo's template.
    ///
    /// # Errors
    /// What the control plane refuses.
    pub async fn keep_template(&self) -> anyhow::Result<()> {
        Ok(self
            .client
            .post("/templates", &json!({ "name": TEMPLATE.0, "text": TEMPLATE.1 }))
            .await
            .map(drop)?)
    }

    /// Writes an experiment down and starts it; its id.
    ///
    /// # Errors
    /// What the control plane refuses.
    pub async fn start(&self, candidate: &Candidate) -> anyhow::Result<String> {
        let made = self.client.post("/experiments", &experiment(candidate)).await?;
        let id = Experiment::deserialize(&made).context("an unexpected experiment")?.id.to_string();
        self.client.post(&format!("/experiments/{id}/start"), &Value::Null).await?;
        Ok(id)
    }

    /// Takes an experiment back.
    ///
    /// # Errors
    /// What the control plane refuses.
    pub async fn roll_back(&self, id: &str) -> anyhow::Result<()> {
        Ok(self.client.post(&format!("/experiments/{id}/rollback"), &Value::Null).await.map(drop)?)
    }

    /// Events of an experiment, as they happen, until it is over.
    pub fn events(&self, id: &str) -> UnboundedReceiver<Event> {
        let (sender, receiver) = unbounded_channel();
        let (client, path) = (self.client.clone(), format!("/experiments/{id}/events"));
        tokio::spawn(async move {
            let each = |event: &Value| {
                let event = Event::deserialize(event).context("an unexpected event")?;
                sender.send(event).context("nobody looks any more")
            };
            // A stream that breaks is missed by whoever waits for its end, with a deadline.
            client.events(&path, each).await
        });
        receiver
    }

    /// Status of an experiment.
    ///
    /// # Errors
    /// When the control plane does not answer.
    pub async fn status(&self, id: &str) -> anyhow::Result<Status> {
        let status = self.client.get(&format!("/experiments/{id}/status")).await?;
        serde_json::from_value(status).context("an unexpected status")
    }

    /// Results of an experiment.
    ///
    /// # Errors
    /// When the control plane does not answer.
    pub async fn results(&self, id: &str) -> anyhow::Result<Results> {
        let results = self.client.get(&format!("/experiments/{id}/results")).await?;
        serde_json::from_value(results).context("unexpected results")
    }
}

/// Letters and digits from the system's random source.
pub fn secret(length: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect()
}
