//! Rate limits that all nodes share, in Redis or Valkey.
//!
//! One script asks and spends, by the server's clock. A server that does not answer within a time-out of
//! our own, around connecting and around each command, that refuses to remember, or that has forgotten
//! everything, lets at most each node's share through beside what it had counted itself: the plane goes
//! on with that, and tries again each second.

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Script};
use std::time::Duration;
use tenantry_core::error::{Error, Result};
use tenantry_core::ids::AccountId;
use tenantry_core::rates::{Meter, Metered, Quota, SharedMeters, Spending, ask};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// How long connecting may take, with the look-up of a name and the greeting.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(250);

/// The one policy under which a full server refuses to remember, instead of forgetting what it counts.
const NO_EVICTION: &str = "noeviction";

/// Meters in a server.
pub struct RedisMeters {
    client: Client,
    connection: Mutex<Option<MultiplexedConnection>>,
    script: Script,
}

impl std::fmt::Debug for RedisMeters {
    // Its address may have a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedisMeters")
    }
}

/// Why an address is none.
#[derive(Debug, thiserror::Error)]
#[error(
    "not the address of a Redis server; redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE] or rediss://… is one"
)]
pub struct AddressError;

impl RedisMeters {
    /// Meters in the server at `url`, to which nothing is sent yet.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn new(url: &str) -> Result<Self, AddressError> {
        let client = Client::open(url).map_err(|_| AddressError)?;
        let script = Script::new(include_str!("meter.lua"));
        Ok(Self { client, connection: Mutex::default(), script })
    }

    /// What of the server's settings makes it lose what it counts, where it says so; none where all is
    /// well.
    ///
    /// # Errors
    /// Unavailable.
    pub async fn check_settings(&self) -> Result<Option<String>> {
        let mut connection = self.connection().await?;
        let mut info = redis::cmd("INFO");
        let asked = info.arg("memory").query_async::<String>(&mut connection);
        let told = self.answer(asked).await?;
        let policy = told.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"));
        let policy = policy.map(str::trim).filter(|policy| *policy != NO_EVICTION);
        Ok(policy.map(|policy| {
            format!(
                "its maxmemory-policy is {policy}: a full server forgets what it counts and lets more \
                 through; {NO_EVICTION} makes each node hold its share instead"
            )
        }))
    }

    async fn connection(&self) -> Result<MultiplexedConnection> {
        // Others wait for the same attempt.
        let mut connection = self.connection.lock().await;
        if let Some(connection) = &*connection {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(ANSWER_TIMEOUT));
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let connected = timeout(CONNECT_TIMEOUT, connecting).await;
        let connected = connected.map_err(Error::unavailable)?.map_err(unavailable)?;
        *connection = Some(connected.clone());
        Ok(connected)
    }

    /// An answer within its time. After anything else the connection is not used again.
    async fn answer<T>(&self, asked: impl Future<Output = redis::RedisResult<T>>) -> Result<T> {
        let answer = match timeout(ANSWER_TIMEOUT, asked).await {
            Ok(answer) => answer.map_err(unavailable),
            Err(late) => Err(Error::unavailable(late)),
        };
        if answer.is_err() {
            *self.connection.lock().await = None;
        }
        answer
    }
}

#[async_trait]
impl SharedMeters for RedisMeters {
    async fn spend(
        &self,
        root: AccountId,
        meters: &[Meter],
        spending: Spending,
        cost: u32,
    ) -> Result<Vec<Metered>> {
        let mut connection = self.connection().await?;
        let mut script = self.script.prepare_invoke();
        script.arg(u8::from(spending == Spending::Spend)).arg(cost);
        for meter in meters {
            let Quota { interval, burst } = Quota::of(meter.rate);
            script.key(key(root, meter)).arg(interval).arg(burst);
        }
        let times: Vec<String> = self.answer(script.invoke_async(&mut connection)).await?;
        let read = |text: &String| text.parse::<i64>().map_err(Error::unavailable);
        let times: Vec<i64> = times.iter().map(read).collect::<Result<_>>()?;
        match times.split_first() {
            Some((now, tats)) if tats.len() == meters.len() => {
                Ok(ask(meters, tats, (spending, cost), (*now, 1)))
            }
            _ => Err(Error::unavailable("an answer of another length")),
        }
    }
}

/// What a window is called. What stands in braces keeps a tree's windows on one server of a cluster.
fn key(root: AccountId, meter: &Meter) -> String {
    let window = meter.rate.window_seconds();
    let id = uuid_of(*meter.of.id());
    format!("tenantry:rate:{{{}}}:{}:{id}:{window}", uuid_of(*root.as_bytes()), meter.of.as_str())
}

fn uuid_of(id: [u8; 16]) -> String {
    AccountId::from_bytes(id).to_uuid()
}

fn unavailable(error: redis::RedisError) -> Error {
    // Its kind and the server's own words; neither has a password.
    Error::unavailable(error)
}
