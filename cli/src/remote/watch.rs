//! `--watch`: an answer again and again, on a live screen.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::bail;

use crate::output;

/// The least time between two looks.
const LEAST: Duration = Duration::from_millis(200);

/// Option of commands that show something.
#[derive(clap::Args, Clone, Copy)]
pub struct Watch {
    /// Show the answer again and again until Ctrl-C: on a terminal as a screen, else whenever it has changed
    #[arg(
        short, long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "2s",
        value_parser = time, global = true
    )]
    watch: Option<Duration>,
}

fn time(text: &str) -> Result<Duration, String> {
    let expected = || "expected the time between two looks, 200ms at least, such as 5s".to_owned();
    let time = humantime::parse_duration(text).map_err(|_| expected())?;
    if time < LEAST { Err(expected()) } else { Ok(time) }
}

impl Watch {
    /// Runs `look`, once or again and again. The first failure ends it; a later one stands below the last answer.
    ///
    /// # Errors
    /// Those of `look`; a command that changes something; standard output is gone.
    pub async fn run<F>(self, shows: bool, look: impl Fn() -> F) -> anyhow::Result<()>
    where
        F: Future<Output = anyhow::Result<()>>,
    {
        let Some(every) = self.watch else { return look().await };
        if !shows {
            bail!("--watch is for commands that show something; this one changes it, or follows it already");
        }
        let is_screen = std::io::stdout().is_terminal();
        let (mut answer, mut shown) = (None, String::new());
        loop {
            let (outcome, text) = output::gathered(look()).await;
            let mut page = match outcome {
                Ok(()) => answer.insert(text).clone(),
                Err(error) => match &answer {
                    None => return Err(error),
                    Some(answer) => {
                        format!("{answer}\nnot up to date, that is the answer of before: {error:#}\n")
                    }
                },
            };
            if is_screen {
                let every = humantime::format_duration(every);
                page = format!("\x1b[2J\x1b[Hevery {every}; Ctrl-C ends it\n\n{page}");
            }
            if is_screen || page != shown {
                output::text(&page)?;
                shown = page;
            }
            tokio::time::sleep(every).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    /// What is shown in so many looks, of which one fails, and the failure that ended it, if one did.
    async fn watched(fails: usize, looks: usize) -> (String, Option<String>) {
        let (number, over) = (AtomicUsize::new(0), Notify::new());
        let watch = Watch { watch: Some(Duration::ZERO) };
        let look = || async {
            let number = number.fetch_add(1, Ordering::Relaxed);
            if number == looks {
                over.notify_one();
                std::future::pending::<()>().await;
            }
            if number == fails {
                bail!("nobody is there")
            }
            output::line(&format!("answer {}", number / 2))
        };
        let watching = async {
            tokio::select! {
                ended = watch.run(true, look) => ended.err().map(|error| error.to_string()),
                () = over.notified() => None,
            }
        };
        let (ended, text) = output::gathered(watching).await;
        (text, ended)
    }

    #[tokio::test]
    async fn an_answer_is_shown_when_it_has_changed_and_a_failure_below_the_last_one() {
        let (text, ended) = watched(9, 4).await;
        assert_eq!((text.as_str(), ended), ("answer 0\nanswer 1\n", None));
        let (text, ended) = watched(1, 3).await;
        let stale = "not up to date, that is the answer of before: nobody is there";
        assert_eq!((text, ended), (format!("answer 0\nanswer 0\n\n{stale}\nanswer 1\n"), None));
        let (text, ended) = watched(0, 3).await;
        assert_eq!((text.as_str(), ended.as_deref()), ("", Some("nobody is there")));
    }

    #[tokio::test]
    async fn what_changes_something_is_not_done_again_and_again() {
        let refused = Watch { watch: Some(LEAST) }.run(false, || async { Ok(()) }).await;
        assert!(refused.unwrap_err().to_string().contains("for commands that show something"));
        assert!(time("10ms").is_err() && time("x").is_err() && time("200ms").is_ok());
    }
}
