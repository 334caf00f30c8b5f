//! Proxies in front of the server, and who is behind them.

use axum::http::HeaderMap;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Proxies whose word on their clients' addresses is believed.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// Where they are.
    pub trusted: Vec<IpNet>,
    /// True where nobody else is served but this machine: requests come in clear, and only what
    /// they are forwarded by is known to have taken them over TLS.
    pub required: bool,
}

impl Proxies {
    pub(super) fn trust(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }

    pub(super) fn admit(&self, address: IpAddr) -> bool {
        !self.required || address.is_loopback() || self.trust(address)
    }

    /// The client of a request that came from the proxy at `peer`: the last address in
    /// `X-Forwarded-For` that is not a trusted proxy's own. What stands before it was written by the
    /// client, who may write anything; and so was what cannot be read.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        for value in headers.get_all(FORWARDED_FOR).iter().rev() {
            let Ok(text) = value.to_str() else { return client };
            for element in text.rsplit(',') {
                let Some(address) = parse(element.trim()) else { return client };
                client = address;
                if !self.trust(address) {
                    return client;
                }
            }
        }
        client
    }
}

/// An address, with or without a port.
fn parse(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn client(values: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().expect("a network"));
        let proxies = Proxies { trusted: trusted.to_vec(), required: true };
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(value).expect("a value"));
        }
        proxies.client("10.0.0.1".parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn case_85_the_last_address_that_is_no_proxys_is_the_client() {
        assert_eq!(client(&["192.0.2.1"]), "192.0.2.1");
        assert_eq!(client(&["6.6.6.6, 192.0.2.1"]), "192.0.2.1");
        assert_eq!(client(&["6.6.6.6, 192.0.2.1, 10.9.9.9"]), "192.0.2.1");
        assert_eq!(client(&["6.6.6.6", "192.0.2.1", "2001:db8::7, 10.1.1.1"]), "192.0.2.1");
        assert_eq!(client(&["192.0.2.1:4711"]), "192.0.2.1");
        assert_eq!(client(&["[2001:db9::1]:443"]), "2001:db9::1");
        assert_eq!(client(&["::ffff:192.0.2.1"]), "192.0.2.1");
    }

    #[test]
    fn what_cannot_be_read_ends_at_the_proxy_that_passed_it_on() {
        assert_eq!(client(&[]), "10.0.0.1");
        for value in ["unknown", "", "6.6.6.6, ", "6.6.6.6 7.7.7.7", "10.2.2.2; 6.6.6.6"] {
            assert_eq!(client(&[value]), "10.0.0.1", "{value}");
        }
        assert_eq!(client(&["6.6.6.6, _hidden, 10.3.3.3"]), "10.3.3.3");
    }

    #[test]
    fn where_proxies_are_required_others_are_not_served() {
        let trusted = vec!["10.0.0.0/8".parse().expect("a network")];
        let admit = |required, text: &str| {
            let proxies = Proxies { trusted: trusted.clone(), required };
            proxies.admit(text.parse().expect("an address"))
        };
        assert!(admit(true, "10.1.2.3") && admit(true, "127.0.0.1") && admit(true, "::1"));
        assert!(!admit(true, "192.0.2.1") && admit(false, "192.0.2.1"));
    }
}
