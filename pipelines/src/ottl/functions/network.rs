//! Addresses, networks and numbers with a check digit.

use base64::Engine as _;
use core::net::IpAddr;
use sha1::Digest as _;

use crate::ottl::check::call::Argument;
use crate::ottl::check::expr::Expr;
use crate::ottl::run::eval::{Evaluated, Failure};
use crate::ottl::run::getters;
use crate::ottl::run::value::Val;

use super::{Args, Call, ParamType, Preparation, Signature, converter, optional, required};

pub(super) const TABLE: &[Signature] = &[
    converter(
        "IsInCIDR",
        &[required("target", ParamType::Text), required("networks", ParamType::Values(&ParamType::Text))],
        is_in,
    )
    .prepared(prepare_networks),
    converter("IsValidLuhn", &[required("target", ParamType::TextLike)], is_valid_luhn),
    converter(
        "CommunityID",
        &[
            required("source_ip", ParamType::Text),
            required("source_port", ParamType::Int),
            required("destination_ip", ParamType::Text),
            required("destination_port", ParamType::Int),
            optional("protocol", ParamType::Text),
            optional("seed", ParamType::Int),
        ],
        community_id,
    ),
];

/// A network: an address, and how many of its bits count.
#[derive(Debug, Clone, Copy)]
pub(in crate::ottl) struct Network {
    bits: u128,
    length: u32,
    is_v4: bool,
}

/// An address as its bits; one of IPv4 within IPv6 is one of IPv4.
fn address(text: &[u8]) -> Option<(u128, bool)> {
    let parsed: IpAddr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(match parsed {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), true),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => (u128::from(v4.to_bits()), true),
            None => (v6.to_bits(), false),
        },
    })
}

impl Network {
    fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (ip, length) = text.split_once('/')?;
        let is_v4 = ip.parse::<IpAddr>().ok()?.is_ipv4();
        let whole = if is_v4 { 32 } else { 128 };
        let digits = length.bytes().all(|byte| byte.is_ascii_digit());
        let length: u32 = length.parse().ok().filter(|length| digits && *length <= whole)?;
        let (bits, mapped) = address(ip.as_bytes())?;
        // A mapped network is compared in IPv4's bits.
        let length = if mapped && !is_v4 { length.checked_sub(96)? } else { length };
        Some(Self { bits, length, is_v4: mapped })
    }

    fn contains(&self, (bits, is_v4): (u128, bool)) -> bool {
        let whole = if self.is_v4 { 32 } else { 128 };
        let shift = whole - self.length;
        let head = |bits: u128| bits.checked_shr(shift).unwrap_or(0);
        is_v4 == self.is_v4 && head(bits) == head(self.bits)
    }
}

fn prepare_networks(call: &Call) -> Result<Preparation, String> {
    let Some(Some(Argument::Exprs(exprs))) = call.arguments.get(1) else { return Ok(Preparation::Nothing) };
    let mut networks = Vec::new();
    for expr in exprs {
        let Expr::Text(text) = expr else { return Ok(Preparation::Nothing) };
        let network = Network::parse(text);
        networks.push(network.ok_or_else(|| format!("{:?} is no network", String::from_utf8_lossy(text)))?);
    }
    Ok(Preparation::Networks(networks))
}

fn is_in<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    let Some(address) = address(&args.text(0)?) else { return Ok(Val::Bool(false)) };
    if let Preparation::Networks(networks) = &args.call.prepared {
        return Ok(Val::Bool(networks.iter().any(|network| network.contains(address))));
    }
    for expr in args.exprs(1) {
        let text = getters::text(expr.eval(args.row)?)?;
        if Network::parse(&text).ok_or(Failure("a text that is no network"))?.contains(address) {
            return Ok(Val::Bool(true));
        }
    }
    Ok(Val::Bool(false))
}

/// The check digit of payment cards: every second digit from the right counts double.
fn is_valid_luhn<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    let text = args.text_like(0)?.ok_or(Failure("nothing has no check digit"))?;
    let digits: Vec<u8> = text.iter().copied().filter(|byte| *byte != b' ').collect();
    let mut sum = 0;
    for (place, byte) in digits.iter().rev().enumerate() {
        let digit = char::from(*byte).to_digit(10).ok_or(Failure("a number with something else in it"))?;
        sum += match digit * 2 {
            double if place % 2 == 1 && double > 9 => double - 9,
            double if place % 2 == 1 => double,
            _ => digit,
        };
    }
    Ok(Val::Bool(!digits.is_empty() && sum % 10 == 0))
}

/// Spec: <https://github.com/corelight/community-id-spec>.
fn community_id<'a>(args: &Args<'a, '_>) -> Evaluated<Val<'a>> {
    let port = |place| -> Evaluated<u16> {
        u16::try_from(args.integer(place)?).map_err(|_| Failure("a port outside of 0 to 65535"))
    };
    let ip = |place| -> Evaluated<Vec<u8>> {
        let (bits, is_v4) = address(&args.text(place)?).ok_or(Failure("a text that is no address"))?;
        Ok(bits.to_be_bytes()[if is_v4 { 12 } else { 0 }..].to_vec())
    };
    let (source, destination) = ((ip(0)?, port(1)?), (ip(2)?, port(3)?));
    let protocol = match args.has(4).then(|| args.text(4)).transpose()?.as_deref() {
        None | Some(b"TCP") => 6,
        Some(b"ICMP") => 1,
        Some(b"UDP") => 17,
        Some(b"RSVP") => 46,
        Some(b"ICMP6") => 58,
        Some(b"SCTP") => 132,
        Some(_) => return Err(Failure("an unknown protocol")),
    };
    let seed = if args.has(5) { port(5)? } else { 0 };
    // The lesser end comes first, whichever way the traffic goes.
    let key = |end: &(Vec<u8>, u16)| (end.0.len(), end.0.clone(), end.1);
    let (first, second) =
        if key(&source) > key(&destination) { (destination, source) } else { (source, destination) };
    let mut tuple = seed.to_be_bytes().to_vec();
    tuple.extend_from_slice(&first.0);
    tuple.extend_from_slice(&second.0);
    tuple.extend([protocol, 0]);
    tuple.extend(first.1.to_be_bytes());
    tuple.extend(second.1.to_be_bytes());
    let digest = base64::engine::general_purpose::STANDARD.encode(sha1::Sha1::digest(&tuple));
    Ok(Val::text(format!("1:{digest}")))
}
