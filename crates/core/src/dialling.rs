//! Which addresses the server dials where somebody else names the host.
//!
//! A name is resolved once, every answer is looked at, and the address that was looked at is the one
//! that is dialled: nothing that a name server says later leads elsewhere.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks of IPv4 that are nobody's on the internet, or not a single machine's (IANA's registry of
/// special-purpose addresses, RFC 6890).
const SPECIAL_V4: [(Ipv4Addr, u8); 17] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 52, 193, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(192, 175, 48, 0), 24),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// What of IPv6 is a single machine's on the internet at all (RFC 4291 §2.4), and what of that is
/// not: protocol assignments with Teredo, documentation, and 6to4, which carries any IPv4 address.
const GLOBAL_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
const SPECIAL_V6: [(Ipv6Addr, u8); 5] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whose word an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// The operator's: any address is meant.
    Operator,
    /// A customer's: only what is public, or what the operator allows.
    Customer,
}

/// What may be dialled.
#[derive(Clone, Debug, Default)]
pub struct DialRules {
    /// Networks that are not public and may be dialled all the same.
    pub allowed: Vec<IpNet>,
}

impl DialRules {
    /// Whether this address may be dialled.
    #[must_use]
    pub fn permit(&self, address: IpAddr, named_by: NamedBy) -> bool {
        // The same machine, whichever way it is written.
        let address = address.to_canonical();
        match named_by {
            NamedBy::Operator => true,
            NamedBy::Customer => {
                is_public(address) || self.allowed.iter().any(|network| network.contains(&address))
            }
        }
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4
            .iter()
            .any(|(network, bits)| Ipv4Net::new_assert(*network, *bits).contains(&address)),
        IpAddr::V6(address) => {
            let within = |(network, bits): &(Ipv6Addr, u8)| {
                Ipv6Net::new_assert(*network, *bits).contains(&address)
            };
            within(&GLOBAL_V6) && !SPECIAL_V6.iter().any(within)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(text: &str, rules: &DialRules) -> bool {
        rules.permit(text.parse().expect("an address"), NamedBy::Customer)
    }

    #[test]
    fn what_is_not_public_is_dialled_for_nobody_but_the_operator() {
        let none = DialRules::default();
        for address in [
            "127.0.0.1",
            "127.1.2.3",
            "0.0.0.0",
            "10.1.2.3",
            "100.100.100.200",
            "169.254.169.254",
            "172.31.255.255",
            "192.168.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:7f00:1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:0:1::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
        ] {
            assert!(!permits(address, &none), "{address}");
            assert!(none.permit(address.parse().expect("an address"), NamedBy::Operator));
        }
        for address in ["1.1.1.1", "100.128.0.1", "172.32.0.1", "::ffff:1.1.1.1", "2606:4700::1111"]
        {
            assert!(permits(address, &none), "{address}");
        }
    }

    #[test]
    fn the_operator_allows_networks() {
        let rules = DialRules { allowed: vec!["10.20.0.0/16".parse().expect("a network")] };
        assert!(permits("10.20.3.4", &rules));
        assert!(permits("::ffff:10.20.3.4", &rules));
        assert!(!permits("10.21.3.4", &rules));
    }
}
